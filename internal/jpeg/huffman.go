package jpeg

// huffman decodes a code of up to 16 bits by looking the next 16 up: the symbol, and above it the length of its code;
// 0 where there is no such code.
type huffman [1 << 16]uint16

// huffmanTables reads codes: how many there are of each length, and their symbols.
func (d *decoder) huffmanTables(s []byte) bool {
	for len(s) > 0 {
		if len(s) < 17 || s[0]>>4 > 1 || s[0]&15 > 3 {
			return false
		}
		table := new(huffman)
		symbols, next := s[17:], 0
		for length := 1; length <= 16; length++ {
			for range s[length] {
				size := 1 << (16 - length)
				if len(symbols) == 0 || next+size > len(table) {
					return false
				}
				for i := range size {
					table[next+i] = uint16(length)<<8 | uint16(symbols[0])
				}
				symbols, next = symbols[1:], next+size
			}
		}
		d.huffman[s[0]>>4][s[0]&15] = table
		s = symbols
	}
	return true
}

// bits reads the entropy-coded bytes of a scan, in which 0xff is followed by 0 unless a marker begins.
type bits struct {
	b     []byte
	at    int
	held  uint64 // bits that were read and not used, in the low end
	n     int    // of them
	past  int    // zeros that stand for what comes after a marker or the end
	wrong bool
}

// fill holds 25 bits or more.
func (r *bits) fill() {
	for r.n <= 24 {
		var v byte
		switch {
		case r.at >= len(r.b) || r.b[r.at] == 0xff && (r.at+1 >= len(r.b) || r.b[r.at+1] != 0):
			r.past += 8
		case r.b[r.at] == 0xff:
			v, r.at = 0xff, r.at+2
		default:
			v, r.at = r.b[r.at], r.at+1
		}
		r.held, r.n = r.held<<8|uint64(v), r.n+8
	}
}

// decode reads a symbol.
func (r *bits) decode(h *huffman) byte {
	r.fill()
	entry := h[r.held>>(r.n-16)&0xffff]
	if entry == 0 {
		r.wrong = true
	}
	r.n -= int(entry >> 8)
	return byte(entry)
}

// value reads a number of so many bits, of which the first tells the sign.
func (r *bits) value(size byte) int32 {
	if size == 0 {
		return 0
	}
	r.fill()
	r.n -= int(size)
	v := int32(r.held >> r.n & (1<<size - 1))
	if v < 1<<(size-1) {
		v -= 1<<size - 1
	}
	return v
}

// ok reports whether all codes were known and no bit came from behind the end.
func (r *bits) ok() bool { return !r.wrong && r.past <= r.n }

// restart goes to behind restart marker i, which must be next.
func (r *bits) restart(i int) bool {
	if r.n-r.past >= 8 || r.at+1 >= len(r.b) || r.b[r.at] != 0xff || r.b[r.at+1] != 0xd0+byte((i-1)%8) {
		return false
	}
	*r = bits{b: r.b, at: r.at + 2}
	return true
}
