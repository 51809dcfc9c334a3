"""The AWS SDK's packages, class by class: in processes of their own, as this one's may be imported already."""

import subprocess
import sys

from tests.support.engine import ROOT

LOADED = "print(*sorted(name for name in sys.modules if name.startswith('pulumi_aws.s3.')))"


def python(*lines: str) -> str:
    program = "\n".join(["import sys", "from infra import on_demand", "on_demand.install()", *lines])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_class_brings_its_own_module_in_and_no_other_classs() -> None:
    loaded = python("from pulumi_aws import s3", "s3.BucketPolicy", LOADED).split()
    assert "pulumi_aws.s3.bucket_policy" in loaded
    assert "pulumi_aws.s3.bucket_object" not in loaded


def test_a_class_is_the_same_one_however_it_is_imported() -> None:
    program = ("from pulumi_aws import s3", "from pulumi_aws.s3.bucket_policy import BucketPolicy")
    assert python(*program, "print(s3.BucketPolicy is BucketPolicy)") == "True"


def test_a_description_of_arguments_brings_no_class_in() -> None:
    program = ("from pulumi_aws.s3 import BucketLifecycleConfigurationRuleArgsDict as Rule", "print(Rule.__name__)")
    assert python(*program) == "BucketLifecycleConfigurationRuleArgsDict"
    assert "pulumi_aws.s3.bucket " not in python(program[0], LOADED)


def test_what_is_in_no_module_of_its_name_brings_the_whole_package_in() -> None:
    loaded = python("from pulumi_aws import s3", "s3.BucketArgs", LOADED).split()
    assert "pulumi_aws.s3.bucket_object" in loaded


def test_a_function_is_not_taken_for_its_module() -> None:
    assert python("from pulumi_aws import ec2", "print(type(ec2.get_vpc).__name__)") == "function"


def test_a_name_that_the_package_lacks_is_an_error_that_tells_both() -> None:
    said = python(
        "from pulumi_aws import s3", "try:", "    s3.Pail", "except AttributeError as error:", "    print(error)"
    )
    assert "pulumi_aws.s3" in said
    assert "Pail" in said


def test_other_packages_are_left_to_python() -> None:
    assert (
        python("import pulumi_random", "print(pulumi_random.__spec__.loader.__class__.__name__)") == "SourceFileLoader"
    )


def test_every_class_of_the_program_has_a_module_of_its_name() -> None:
    loaded = python("from infra.capabilities import import_all; import_all()", "print(*sorted(sys.modules))").split()
    assert "pulumi_aws.rds.instance" in loaded
    others = {
        "ec2.ami",
        "rds.proxy",
        "s3.bucket_object",
        "iam.user",
        "cloudwatch.dashboard",
        "ecr.pull_through_cache_rule",
    }
    assert not {f"pulumi_aws.{module}" for module in others} & set(loaded)
