module zaq/internal/kernel/_gen/neon

go 1.26
