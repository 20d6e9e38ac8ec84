package netflow

// change is one that the others do not know of yet.
type change struct{ key, value []byte }

// OnChange has f called with each template and each sampling rate that is new or changed, and with a
// nil value for each that was withdrawn or evicted: records for a compacted topic, which [Templates.Load]
// takes. Call it before anything is decoded; what was loaded is not told again.
//
// f is called on the goroutine of the decoder or of Load that met the change, without a lock of ours
// but the one that keeps changes in their order: it must not block, nor decode or load. Key and
// value are its own. An exporter can make it called with each datagram.
func (t *Templates) OnChange(f func(key, value []byte)) { t.onChange = f }

// Snapshot calls yield with the key and the value of all that is held, in no order, under the lock:
// it must not call back.
func (t *Templates) Snapshot(yield func(key, value []byte)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.sessions {
		for _, m := range e.templates {
			yield(templateKey{e.key, m.id}.bytes(), m.bytes())
		}
		for k, r := range e.sampling.by {
			yield(samplingKey{e.key, k}.bytes(), r.bytes())
		}
		if e.sampling.said() {
			yield(samplingKey{e.key, rateKey{}}.bytes(), e.sampling.bytes())
		}
	}
}

// changed notes a change; the functions are called only if somebody wants to know. A nil value is
// that of something gone.
func (t *Templates) changed(key, value func() []byte) {
	if t.onChange == nil {
		return
	}
	c := change{key: key()}
	if value != nil {
		c.value = value()
	}
	t.changes = append(t.changes, c)
	t.untold.Store(true)
}

// tell tells the changes. Whoever finds another telling waits for it: theirs are older.
func (t *Templates) tell() {
	if !t.untold.Load() {
		return
	}
	t.telling.Lock()
	defer t.telling.Unlock()
	t.mu.Lock()
	all := t.changes
	t.changes = nil
	t.untold.Store(false)
	t.mu.Unlock()
	for _, c := range all {
		t.onChange(c.key, c.value)
	}
}
