module zaq/internal/intkernel/_gen/neon

go 1.26
