package kernel

func available() []family { return []family{portable} }
