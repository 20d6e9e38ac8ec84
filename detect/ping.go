package detect

// An answered ping counts as an unanswered one does, as long as enough go unanswered: who
// pings hosts that are there is a monitor, who looks for hosts meets many that are not.

// unansweredShare of the targets of pings must not answer.
const unansweredShare = 5 // a fifth

// withAnswered adds to a sweep's tally the pings that were answered. Where too few went
// unanswered nothing counts; the guard notes where all together would have crossed.
func (j *judge) withAnswered(acc *account, s *suspect, k *key, n tally) tally {
	var answered [len(horizons)]uint64
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered == 0 || c.marks&markReported != 0 || !k.has(c) {
			continue
		}
		age := uint32(0)
		if !c.stamp().after(k.stamp(), j.now) {
			age = c.stamp().age(k.stamp())
		}
		for h := len(horizons) - 1; h >= 0 && age < j.thresholds.spans[h]; h-- {
			answered[h]++
		}
	}
	silenced := false
	for h := range horizons {
		more := answered[h] * acc.other.weight() / acc.failed.weight()
		if n.all[h]*unansweredShare >= n.all[h]+more {
			n.all[h] += more
			n.strong[h] += more
			continue
		}
		want, _ := j.demand(s, k.rule, h, k.contact)
		silenced = silenced || (n.strong[h]+more)*acc.failed.weight() >= want
		n.strong[h], n.all[h] = 0, 0
	}
	if silenced {
		j.stats.Silenced[guardPing]++
	}
	return n
}

// isWatch: most of whom a source pings answer, and they lie apart on the Internet, as those do of
// which an application looks for the nearest. Or the source has sessions with most of them: it manages hosts of which
// some are off. Or it serves DHCP, and asks whether the address that it is about to lease is free, as it
// should be (RFC 2131 section 2.2). The latter two up to peerFactor times the threshold: a worm, too, talks with whom it finds.
func (j *judge) isWatch(acc *account, s *suspect, k *key, h int, count, want uint64) bool {
	if k.rule != sweep {
		return false
	}
	near := j.nearOf(k, h)
	hosts := map[uint32]bool{} // that were pinged; true: with a session
	var unanswered, answered, known uint64
	for _, c := range acc.failed.all(&j.slab) {
		if c.marks&markReported == 0 && near(c) {
			hosts[c.addr()] = false
			unanswered += acc.failed.weight()
		}
	}
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered != 0 && near(c) {
			hosts[c.addr()] = false
			answered += acc.other.weight()
		}
	}
	switch {
	case answered > unanswered && j.leadsOut(s, k.contact) && j.isApart(acc, s, near):
		return true
	case count >= peerFactor*want:
		return false
	case j.leases(s):
		return true
	}
	for _, c := range acc.other.all(&j.slab) {
		if had, pinged := hosts[c.addr()]; pinged && !had && c.marks&markAnswered != 0 && c.marks.class().track() == trackPorts {
			hosts[c.addr()] = true
			known += acc.other.weight()
		}
	}
	return float64(unanswered) < j.cfg.FailureRatio*float64(unanswered+known)
}

// leases reports whether the source has answered a client of DHCP within a day.
func (j *judge) leases(s *suspect) bool {
	const dhcp = 67
	at := contact{uint64(short(s.addr))<<32 | dhcp<<16, marks(classUDP+1) << classShift}
	return j.outages.served(at.hash(), j.second)
}
