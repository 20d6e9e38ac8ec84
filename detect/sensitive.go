package detect

import "slices"

// Rule S: inside, a scanner needs few probes, and looks for what it can use. Five ports of
// administration of one host that fail, or ten of our hosts on one of them, are enough. Most
// hosts of a LAN answer, so those that were reached and told nothing count as well, while at
// least a fifth of all failed: a monitor, of whose hosts 2 % are down, does not. Nor do those that
// are reached again and again: a balancer whose next ten servers are not up yet.

// sensitiveThresholds are for vertical and horizontal scans, per horizon.
var sensitiveThresholds = [...][len(horizons)]uint64{vertical: {5, 6, 8, 10}, horizontal: {10, 12, 20, 30}}

const (
	fewestSensitive = 5 // of the above
	failedShare     = 5 // a fifth of the hosts of a horizontal scan must fail
)

// sensitive says whether a failed contact makes rule S fire.
func (j *judge) sensitive(acc *account, s *suspect, c contact) (crossing, bool) {
	if !s.internal || !c.marks.isStrong() || !j.isSensitive(c) || s.sampled {
		return crossing{}, false
	}
	for _, f := range [...]rule{vertical, horizontal} {
		k := key{rule: f, contact: c, sensitive: true}
		for h := range horizons {
			want := sensitiveThresholds[f][h]
			count, enough := j.countSensitive(acc, s, &k, h)
			if !enough || count < want || acc.failed.level > 0 && count < minSample*acc.failed.weight() {
				continue
			}
			if g := j.excused(acc, s, &k, h, count, want); g != guardNone {
				j.stats.Silenced[g]++
				continue
			}
			return crossing{rule: f, contact: c, horizon: h, count: count, threshold: want, sensitive: true}, true
		}
	}
	return crossing{}, false
}

func (j *judge) isSensitive(c contact) bool {
	return c.marks.class() == classTCP && slices.Contains(j.cfg.SensitivePorts, c.port())
}

// countSensitive counts the targets of a key within a horizon, and whether enough of them
// failed.
func (j *judge) countSensitive(acc *account, s *suspect, k *key, h int) (count uint64, enough bool) {
	around := j.around(h, k.stamp())
	counts := func(c contact) bool {
		return k.has(c) && j.isSensitive(c) && c.marks&markReported == 0 && around(c) &&
			(k.rule == vertical || s.knows(c.addr()) && j.isInternal(s.target(c)))
	}
	var failed, reached, answered uint64
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks.isStrong() && counts(c) {
			failed += acc.failed.weight()
		}
	}
	for _, c := range acc.other.all(&j.slab) {
		switch {
		case !counts(c):
		case c.marks&markAnswered != 0:
			answered += acc.other.weight()
		case c.marks&markReached != 0 && !c.isKept():
			reached += acc.other.weight()
		}
	}
	if k.rule == vertical {
		return failed, float64(failed) >= j.cfg.FailureRatio*float64(failed+answered)
	}
	count = failed + reached
	return count, failed*failedShare >= count && float64(count) >= j.cfg.FailureRatio*float64(count+answered)
}
