package main

import (
	"testing"
	"time"
)

// TestPace plays demos on machines of all speeds: the time is kept wherever the least that a demo does allows it,
// and a fast machine does all of it.
func TestPace(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		perImage time.Duration
		rounding pace
		steps    [2]int // least and most
	}{
		{ms / 10, pace{images: 1000, batch: 64, warmup: 400}, [2]int{800, 800}},
		{ms / 5, pace{images: 1000, batch: 64, warmup: 200}, [2]int{400, 800}},
		{ms / 2, pace{images: 1000, batch: 64, warmup: 80}, [2]int{200, 400}},
		{2 * ms, pace{images: 1000, batch: 32, warmup: 40}, [2]int{50, 150}},
		{10 * ms, pace{images: 1000, batch: 8, warmup: 20}, [2]int{40, 90}},
		{20 * ms, pace{images: 250, batch: 8, warmup: 6}, [2]int{10, 20}},
		{time.Second, pace{images: 250, batch: 8, warmup: 6}, [2]int{leastSteps, leastSteps}},
	} {
		p := paceOfRounding(tt.perImage, demoTime)
		if p != tt.rounding {
			t.Errorf("%v an image: %+v, want %+v", tt.perImage, p, tt.rounding)
		}
		evaluation := time.Duration(p.images) * tt.perImage
		rounding, step := p.cost(tt.perImage), 11*time.Duration(p.batch)*tt.perImage
		left := demoTime - evaluation - rounding
		steps := stepsIn(left, rounding, step)
		if steps < tt.steps[0] || steps > tt.steps[1] {
			t.Errorf("%v an image: %d steps, want %v", tt.perImage, steps, tt.steps)
		}
		if over := rounding + time.Duration(steps)*step - left; over > 0 && steps > leastSteps {
			t.Errorf("%v an image: %v too long", tt.perImage, over)
		}
	}
}
