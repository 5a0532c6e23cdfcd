package kernel

func families() []family { return []family{portable} }
