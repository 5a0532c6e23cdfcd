module zaq/internal/kernel/_gen

go 1.26
