module zaq

go 1.26.0
