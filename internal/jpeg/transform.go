package jpeg

// The constants of the transform, in 1/2^13.
const (
	f0298 = 2446  // 0.298631336
	f0390 = 3196  // 0.390180644
	f0541 = 4433  // 0.541196100
	f0765 = 6270  // 0.765366865
	f0899 = 7373  // 0.899976223
	f1175 = 9633  // 1.175875602
	f1501 = 12299 // 1.501321110
	f1847 = 15137 // 1.847759065
	f1961 = 16069 // 1.961570560
	f2053 = 16819 // 2.053119869
	f2562 = 20995 // 2.562915447
	f3072 = 25172 // 3.072711026
)

// inverse writes the samples of a block: the inverse cosine transform of Loeffler, Ligtenberg and Moschytz (Practical Fast
// 1-D DCT Algorithms with 11 Multiplications, 1989) along columns and then rows, in integers with 13 binary places and two
// more between, as libjpeg's "slow" transform has it, which is its default.
func inverse(dst []uint8, stride int, block *[64]int32) {
	for x := range 8 {
		line(block[x:], 8, 11)
	}
	for y := range 8 {
		row := block[8*y : 8*y+8]
		line(row, 1, 18)
		out := dst[y*stride : y*stride+8]
		for x, v := range row {
			out[x] = uint8(min(max(v+128, 0), 255))
		}
	}
}

// line transforms the eight values v[0], v[step], v[2*step], ... and divides by 2^shift.
func line(v []int32, step, shift int) {
	at := func(i int) int32 { return v[i*step] }
	// even part
	z1 := (at(2) + at(6)) * f0541
	e2, e3 := z1-at(6)*f1847, z1+at(2)*f0765
	e0, e1 := (at(0)+at(4))<<13, (at(0)-at(4))<<13
	t0, t1, t2, t3 := e0+e3, e1+e2, e1-e2, e0-e3
	// odd part
	o0, o1, o2, o3 := at(7), at(5), at(3), at(1)
	z1, z2, z3, z4 := o0+o3, o1+o2, o0+o2, o1+o3
	z5 := (z3 + z4) * f1175
	z1, z2, z3, z4 = -z1*f0899, -z2*f2562, z5-z3*f1961, z5-z4*f0390
	o0 = o0*f0298 + z1 + z3
	o1 = o1*f2053 + z2 + z4
	o2 = o2*f3072 + z2 + z3
	o3 = o3*f1501 + z1 + z4

	half := int32(1) << (shift - 1)
	v[0*step], v[7*step] = (t0+o3+half)>>shift, (t0-o3+half)>>shift
	v[1*step], v[6*step] = (t1+o2+half)>>shift, (t1-o2+half)>>shift
	v[2*step], v[5*step] = (t2+o1+half)>>shift, (t2-o1+half)>>shift
	v[3*step], v[4*step] = (t3+o0+half)>>shift, (t3-o0+half)>>shift
}
