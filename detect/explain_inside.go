package detect

import "slices"

// Rules S and F count in ways of their own, and so have rows of their own.

// explainSensitive tells how far a source of ours is from rule S.
func (j *judge) explainSensitive(acc *account, s *suspect) (all []KeyCount) {
	if !s.internal || s.sampled {
		return nil
	}
	for _, f := range [...]rule{vertical, horizontal} {
		var of []KeyCount
		for _, c := range j.newestOfKeys(&acc.failed, f, func(c contact) bool { return c.marks.isStrong() && j.isSensitive(c) }) {
			if e := j.explainSensitiveKey(acc, s, f, c); slices.Max(e.Counts[:]) > 0 {
				of = append(of, e)
			}
		}
		all = append(all, foremost(of)...)
	}
	return all
}

func (j *judge) explainSensitiveKey(acc *account, s *suspect, f rule, c contact) KeyCount {
	x := crossing{rule: f, contact: c, sensitive: true}
	k, e := key{rule: f, contact: c}, j.newRow(s, &x)
	for _, o := range acc.other.all(&j.slab) {
		if o.marks&markAnswered != 0 && k.has(o) && j.isSensitive(o) {
			e.Good += acc.other.weight()
		}
	}
	for h := range horizons {
		count, enough := j.countSensitive(acc, s, &k, h)
		e.Counts[h], e.Threshold[h] = count, sensitiveThresholds[f][h]
		why, fires := "", false
		switch {
		case count < e.Threshold[h]:
			why = tooFew
		case !enough:
			why = tooMuchAnswered
		default:
			fires, why = j.unlessExcused(acc, s, &k, h, count, e.Threshold[h])
		}
		e.hear(fires, why)
	}
	return e
}

// explainFanOut tells how far a source is from rule F.
func (j *judge) explainFanOut(acc *account, s *suspect) (all []KeyCount) {
	if s.sampled {
		return nil
	}
	reached := func(c contact) bool { return c.marks&outcomeMarks == markReached && c.marks.class() == classTCP }
	for _, f := range [...]rule{vertical, horizontal} {
		threshold, lately := uint64(fanOutPorts), s.fanOut.hosts
		if f == horizontal {
			threshold, lately = fanOutHosts, s.fanOut.ports
		}
		var of []KeyCount
		for _, c := range j.newestOfKeys(&acc.other, f, reached) {
			if f == horizontal && !j.fansOutInside(s, c) {
				continue
			}
			e := j.newRow(s, &crossing{rule: f, contact: c, fanOut: true})
			e.Threshold[hour] = threshold
			n, ripe := j.newlyReached(acc, &key{rule: f, contact: c}, lately[:])
			switch e.Counts[hour] = n; {
			case !ripe:
				e.Why = "it takes a day of memory, and there is less"
			case n < threshold:
				e.Why = tooFew
			default:
				e.Fires, e.Why = true, j.crossesWithin(hour)
			}
			if n > 0 {
				of = append(of, e)
			}
		}
		all = append(all, foremost(of)...)
	}
	return all
}

// newlyReached is how many targets of a key rule F has counted in the hour that goes on;
// before it counts, how many were reached.
func (j *judge) newlyReached(acc *account, k *key, lately []fanned) (n uint64, ripe bool) {
	if j.clock.now.Sub(j.clock.began) < fanOutAfter {
		return uint64(j.reachedWithin(acc, k)), false
	}
	is := k.addr()
	if k.rule == horizontal {
		is = uint32(k.port())
	}
	for _, f := range lately {
		if f.n > 0 && f.key == is && j.second <= f.since+3600 {
			return uint64(f.n), true
		}
	}
	return 0, true
}
