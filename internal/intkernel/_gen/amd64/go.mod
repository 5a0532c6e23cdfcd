module zaq/internal/intkernel/_gen/amd64

go 1.26
