module zaq

go 1.26
