package netflow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Load takes what [Templates.OnChange] told, here or in another process, in any order and as often as
// it comes: of two values the one announced later stays, and of two of the same instant the
// one announced here, else the greater.
// No value deletes what was only loaded; what was announced here stays, and is told again when it is
// announced the next time. Data that waits for the template is decoded by the decoder that heard
// of it last, with its next Decode or Idle. An error is a malformed record, which changes nothing.
func (t *Templates) Load(key, value []byte) error {
	defer t.tell() // of what made room
	k, kind, rest, err := parseKey(key)
	if err != nil {
		return fmt.Errorf("read the key of a template: %w", err)
	}
	switch {
	case kind == kindTemplate && len(rest) == 2:
		return t.loadNoting(templateKey{k, binary.BigEndian.Uint16(rest)}, value)
	case kind == kindRate && len(rest) == 9:
		err = t.loadRate(samplingKey{k, rateKey{rest[0], binary.BigEndian.Uint64(rest[1:])}}, value)
	default:
		err = errors.New("a key of no known kind")
	}
	if err != nil {
		return fmt.Errorf("load a sampling rate of %v, version %d, domain %d: %w", k.addr, k.version, k.domain, err)
	}
	return nil
}

// loadNoting loads a template, and tells what that did to those of its exporter.
func (t *Templates) loadNoting(k templateKey, value []byte) error {
	if len(value) == 0 {
		t.unload(k)
		return nil
	}
	var all Notices
	err := t.loadTemplate(k, value, &all)
	if err != nil {
		all.Refused++ // what is wrong with it is in the error
		err = fmt.Errorf("load template %d of %v, version %d, domain %d: %w", k.id, k.addr, k.version, k.domain, err)
	}
	if t.onLoad != nil && all.Changed+all.Refused > 0 {
		t.onLoad(k.addr, &all)
	}
	return err
}

func (t *Templates) loadTemplate(k templateKey, value []byte, all *Notices) error {
	a, when, err := parseTemplate(k.version, k.id, value)
	if err != nil {
		return err
	}
	p, fault := compile(k.version, a.options, a.fields(k.version))
	if fault != Changed {
		n := k.notice(k.id, fault)
		return errors.New(n.Why())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.sessions[k.sessionKey]; e != nil && e.templates[k.id] != nil {
		switch m := e.templates[k.id]; {
		case m.same(a):
			m.when, m.told = max(m.when, when), true
			return nil
		case when < m.when, when == m.when && (m.own || bytes.Compare(value, m.bytes()) < 0):
			// Datagrams that are read together have one instant: what comes back from the
			// topic must not take the place of what was announced here after it.
			return nil
		}
	}
	m, n, changed := t.put(k.sessionKey, a, p, when)
	if changed {
		all.add(n)
	}
	m.told = true
	t.waiting.announced(k, nil)
	t.makeRoom(m.session.exporter)
	return nil
}

// unload forgets a template that was not announced here.
func (t *Templates) unload(k templateKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.sessions[k.sessionKey]
	if e == nil {
		return
	}
	switch m := e.templates[k.id]; {
	case m == nil:
	case m.own:
		m.told = false
	default:
		t.drop(m)
	}
}

func (t *Templates) loadRate(k samplingKey, value []byte) error {
	if k.of > ofInterface || k.of == 0 && k.id != 0 {
		return errors.New("a rate of nothing known")
	}
	if len(value) == 0 {
		t.unloadRate(k)
		return nil
	}
	said, err := parseRate(value)
	if err != nil {
		return err
	}
	switch {
	case said.rate == 0 && said.boot == 0:
		return errors.New("it says nothing")
	case k.of != 0 && (said.rate == 0 || said.boot != 0):
		return errors.New("a sampler or an interface has a rate and no start")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// A rate may come before the templates; then nothing but Load bounds how many sessions there are.
	if t.sessions[k.sessionKey] == nil && len(t.sessions) >= 2*t.cfg.MaxTemplates {
		t.refused++
		return nil
	}
	e := t.session(k.sessionKey)
	if t.newer(&e.sampling, k.rateKey, said, value) {
		e.exporter.generation.Add(1)
	}
	t.tidy(e)
	return nil
}

// newer keeps a rate if it is newer than the one held and there is room.
func (t *Templates) newer(s *sampling, k rateKey, said sampling, value []byte) bool {
	if k.of != 0 {
		r, was := rate{said.rate, said.when, true}, s.by[k]
		return (r.when > was.when || r.when == was.when && r.rate > was.rate) && t.note(s, k, r)
	}
	if said.when < s.when || said.when == s.when && bytes.Compare(value, s.bytes()) <= 0 {
		return false
	}
	s.rate, s.boot, s.when, s.told = said.rate, said.boot, said.when, true
	return true
}

// tidy forgets a session of which nothing is known.
func (t *Templates) tidy(e *session) {
	if len(e.templates) == 0 && len(e.sampling.by) == 0 && !e.sampling.said() {
		t.end(e)
		e.exporter.generation.Add(1)
	}
}

// unloadRate forgets a rate of a session that announced nothing here: one that is gone elsewhere.
func (t *Templates) unloadRate(k samplingKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.sessions[k.sessionKey]
	if e == nil {
		return
	}
	s := &e.sampling
	r, held := s.by[k.rateKey]
	switch {
	case k.of == 0 && e.own > 0:
		s.told = false
	case k.of == 0:
		s.rate, s.boot, s.when = 0, 0, 0
	case held && e.own > 0:
		r.told = false
		s.by[k.rateKey] = r
	case held:
		delete(s.by, k.rateKey)
		t.rates--
		if k.of == ofInterface {
			s.interfaces--
		}
	}
	e.exporter.generation.Add(1)
	t.tidy(e)
}
