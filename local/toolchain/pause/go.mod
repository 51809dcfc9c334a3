module aegis/toolchain/pause

go 1.24.0

tool aegis/toolchain/pause
