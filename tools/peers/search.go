package main

import "context"

// tolerated is the share of records that may be lost, by which the peers are compared.
const tolerated = 0.01

// attempt is what became of one rate.
type attempt struct {
	asked float64 // records/s
	sent  float64 // records/s, less where the sender did not reach it
	lost  float64 // share of what was sent
}

func (a attempt) holds() bool { return a.lost <= tolerated }

// short: the sender reached less than nine tenths of the rate.
func (a attempt) short() bool { return a.sent < 0.9*a.asked }

// found is the highest rate that held; it is a lower bound if the sender was the limit.
type found struct {
	best    attempt
	limited bool
}

// highest doubles the rate from start on until it does not hold, then halves the
// interval so many times. What fails by little, or was not sent, is tried once
// more: the machine has other guests.
func highest(ctx context.Context, start float64, halvings int, try func(rate float64) (attempt, error)) (f found, err error) {
	again := func(rate float64) (attempt, error) {
		a, err := try(rate)
		if err == nil && (a.short() || !a.holds() && a.lost < 5*tolerated) {
			a, err = try(rate)
		}
		return a, err
	}
	low, high := 0.0, start
	for ctx.Err() == nil {
		a, err := again(high)
		if err != nil {
			return f, err
		}
		if !a.holds() {
			break
		}
		f.best, low = a, high
		if a.short() {
			f.limited = true
			return f, nil
		}
		high *= 2
	}
	for range halvings {
		a, err := again((low + high) / 2)
		if err != nil {
			return f, err
		}
		if !a.holds() {
			high = a.asked
			continue
		}
		low = a.asked
		f.best, f.limited = a, a.short()
	}
	return f, ctx.Err()
}
