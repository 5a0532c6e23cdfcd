module zaq/internal/kernel/_gen/conv

go 1.26
