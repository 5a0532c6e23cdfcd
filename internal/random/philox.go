package random

// philox is Philox4x32-10: a bijection of 128-bit counters, one for each 64-bit key, whose outputs for
// successive counters pass the statistical tests for random numbers.
//
// Source: Salmon, Moraes, Dror, Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011, section 4.3.
func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	const (
		multiplier0, multiplier1 = 0xD2511F53, 0xCD9E8D57
		weyl0, weyl1             = 0x9E3779B9, 0xBB67AE85
	)
	for range 10 {
		p0, p1 := multiplier0*uint64(c[0]), multiplier1*uint64(c[2])
		c = [4]uint32{
			uint32(p1>>32) ^ c[1] ^ k[0], uint32(p1),
			uint32(p0>>32) ^ c[3] ^ k[1], uint32(p0),
		}
		k[0] += weyl0
		k[1] += weyl1
	}
	return c
}
