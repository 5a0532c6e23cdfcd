module zaq/internal/kernel/_gen/pointwise

go 1.26
