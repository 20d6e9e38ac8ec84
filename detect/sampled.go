package detect

import (
	"math"

	"github.com/scanhound/scanhound/schema"
)

// What a sampled exporter shows of a source is judged apart from what others show: its
// thresholds are a tenth, its severity is medium at most. So such a source has a row of its
// own, as a /64 has. Three sampled flows cut no threshold of 300 that are not.

const (
	keySampled4    = 1 << 33    // set in the keys of IPv4 addresses
	keySampledMark = 0x5a3b1ed5 // turned over in those of IPv6
)

// sampledKey is the key of a source as sampled exporters show it.
func sampledKey(key uint64) uint64 {
	if key&keyV6 != 0 {
		return (key ^ keySampledMark) | keyV6
	}
	return key | keySampled4
}

// sourceKey is the key of the row that a flow belongs to.
func sourceKey(f *schema.Flow) uint64 {
	if f.Exporter.Sampling > 1 {
		return sampledKey(keyOf(f.Src.Addr))
	}
	return keyOf(f.Src.Addr)
}

// targetsOf is the estimate of the targets of a scan that sampled exporters show. What the
// source did beside it has sent a part of the packets.
func targetsOf(sc *scan, m *measured) uint64 {
	rate := uint64(sc.evidence().sampling)
	packets := float64(m.scale.Scaled) / float64(rate)
	if m.everything > m.outside && m.outside > 0 {
		packets *= float64(m.everything-m.outside) / float64(m.everything)
	}
	n := targetsEstimate(m.scale.Pairs, uint64(math.Round(packets)), rate)
	if sc.track == trackPorts && m.scale.Hosts.Exact && m.scale.Hosts.Count == 1 {
		n = min(n, portsOfHost)
	}
	return n
}

const (
	portsOfHost = 1 << 16
	fewAgain    = 2   // packets to targets that were seen already may be chance
	morePackets = 1.3 // to a target, on average: it is two, since nobody sends a part of one
)

// targetsEstimate is how many targets there were, where one packet in rate was looked at: of
// so many targets with so many packets seen. Of D targets with as many packets each, m packets
// that were seen lie on about D(1-exp(-m/D)); none has less than one packet. Where no target was
// seen again, or no more than the count may be wrong by, each had one.
func targetsEstimate(targets schema.Count, packets, rate uint64) uint64 {
	if targets.Count == 0 || rate <= 1 {
		return 0
	}
	d, m := float64(targets.Count), float64(max(packets, targets.Count))
	most := m * float64(rate)
	if again := m - d; again < fewAgain || again <= 2*targets.Stderr {
		return uint64(most)
	}
	// A target's packets are looked at one by one: of k of them none with (1-1/rate)^k.
	each := -math.Log1p(-1/float64(rate)) * float64(rate)
	low, high := d, most
	for range 60 {
		mid := (low + high) / 2
		if mid*(1-math.Exp(-each*m/mid)) < d {
			low = mid
		} else {
			high = mid
		}
	}
	if per := most / high; per > morePackets && per < 2 {
		high = most / 2
	}
	return uint64(math.Round(max(high, d)))
}

// sessionOfSampled tells the scans that sampled exporters showed of a source of a session
// that another exporter shows: whoever saw the scan, the scanner got in.
func (d *Detector) sessionOfSampled(key uint64, c contact, g *sighting) {
	slot := d.ledger.table.find(sampledKey(key))
	if slot == nil || slot.bits&slotAccount == 0 {
		return
	}
	acc := d.ledger.accounts.at(uint32(slot.word))
	if s := d.ledger.suspectOf(acc); s != nil && len(s.scans)+len(s.closedScans) > 0 {
		d.notifyScans(g, acc, s, &change{c: c})
	}
}
