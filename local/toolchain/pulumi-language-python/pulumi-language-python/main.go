// Command pulumi-language-python is Pulumi's language host for Python: the engine starts it, and asks it over gRPC to
// run programs and policy packs. It stands in for the official one, which no Go module of the engine's version holds,
// and does of its contract what this project needs:
// https://github.com/pulumi/pulumi/blob/master/proto/pulumi/language.proto
//
// It answers that a program requires no plugins: the engine then looks for each when a resource needs it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	executor = "pulumi-language-python-exec"
	// The executor's exit code after it has itself told the user what is wrong.
	alreadyTold = 32
)

// Set when it is built.
var version string

func main() {
	tracing := flag.String("tracing", "", "address that the program sends its traces to")
	flag.Parse()
	if err := serve(flag.Arg(0), *tracing); err != nil {
		cmdutil.Exit(err)
	}
}

// serve answers the engine until it goes away.
func serve(engine, tracing string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	if err := rpcutil.Healthcheck(ctx, engine, 5*time.Minute, stop); err != nil {
		return fmt.Errorf("the engine at %q does not answer: %w", engine, err)
	}
	cancel := make(chan bool)
	context.AfterFunc(ctx, func() { close(cancel) })
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, &host{
				executor: filepath.Join(filepath.Dir(own), executor), engine: engine, tracing: tracing,
			})
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	executor, engine, tracing string
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// Run runs a program. What it prints goes to our own output, from which the engine reads it.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	interpreter, err := python(request.GetInfo())
	if err != nil {
		return nil, err
	}
	configuration, err := configuration(request)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, interpreter, append([]string{"-u", h.executor}, h.arguments(request)...)...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.Env = append(os.Environ(), configuration...)
	code, err := exitCode(command.Run())
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s does not run: %w", interpreter, err)
	case code == alreadyTold:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case code != 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", code)}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

// configuration returns the environment variables by which the SDK gets the stack's configuration.
func configuration(request *pulumirpc.RunRequest) ([]string, error) {
	if len(request.GetConfig()) == 0 {
		return nil, nil
	}
	values, err := json.Marshal(request.GetConfig())
	if err != nil {
		return nil, err
	}
	secret, err := json.Marshal(append([]string{}, request.GetConfigSecretKeys()...))
	if err != nil {
		return nil, err
	}
	return []string{"PULUMI_CONFIG=" + string(values), "PULUMI_CONFIG_SECRET_KEYS=" + string(secret)}, nil
}

// arguments returns what the executor is called with: its options, the program and the program's own arguments.
func (h *host) arguments(request *pulumirpc.RunRequest) []string {
	info := request.GetInfo()
	options := [][2]string{
		{"--monitor", request.GetMonitorAddress()},
		{"--engine", h.engine},
		{"--project", request.GetProject()},
		{"--stack", request.GetStack()},
		{"--organization", request.GetOrganization()},
		{"--root_directory", info.GetRootDirectory()},
		{"--pwd", request.GetPwd()},
		{"--dry_run", strconv.FormatBool(request.GetDryRun())},
		{"--parallel", strconv.Itoa(int(request.GetParallel()))},
		{"--tracing", h.tracing},
	}
	var given []string
	for _, option := range options {
		if option[1] != "" {
			given = append(given, option[0], option[1])
		}
	}
	return append(append(given, filepath.Join(info.GetProgramDirectory(), info.GetEntryPoint())), request.GetArgs()...)
}

// RunPlugin runs a policy pack for as long as the engine wants it, and passes on what it prints, first its port.
func (h *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	if request.GetKind() != "analyzer" {
		return status.Errorf(codes.Unimplemented, "this language host runs policy packs, not plugins of kind %q", request.GetKind())
	}
	interpreter, err := python(request.GetInfo())
	if err != nil {
		return err
	}
	arguments := append([]string{"-u", "-m", "pulumi.policy"}, request.GetArgs()...)
	command := exec.CommandContext(
		stream.Context(), interpreter, append(arguments, request.GetInfo().GetProgramDirectory())...)
	command.Dir, command.Env = request.GetPwd(), request.GetEnv()
	var sending sync.Mutex
	send := func(response *pulumirpc.RunPluginResponse) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(response)
	}
	command.Stdout = writer(func(text []byte) error {
		return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: text}})
	})
	command.Stderr = writer(func(text []byte) error {
		return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: text}})
	})
	code, err := exitCode(command.Run())
	if err != nil {
		return fmt.Errorf("%s does not run: %w", interpreter, err)
	}
	return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(code)}})
}

type writer func([]byte) error

func (write writer) Write(text []byte) (int, error) {
	return len(text), write(text)
}

// python returns the interpreter of the environment that the project file's option `virtualenv` names, relative to
// that file's folder; without the option, the first one on PATH.
func python(info *pulumirpc.ProgramInfo) (string, error) {
	environment := info.GetOptions().GetFields()["virtualenv"].GetStringValue()
	if environment == "" {
		return exec.LookPath("python3")
	}
	if !filepath.IsAbs(environment) {
		environment = filepath.Join(info.GetRootDirectory(), environment)
	}
	interpreter := filepath.Join(environment, "bin", "python")
	if _, err := os.Stat(interpreter); err != nil {
		return "", fmt.Errorf("option virtualenv names an environment without Python: %w", err)
	}
	return interpreter, nil
}

// exitCode tells how a process ended, apart from why it could not be run at all.
func exitCode(err error) (int, error) {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}
