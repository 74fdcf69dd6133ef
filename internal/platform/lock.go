package platform

// A Mutex is a lock that goroutines get in the order in which they asked for it: one that
// writes in a loop does not keep the others out. A goroutine that waits for it is parked.
//
// A guest has a single thread, so its guard does nothing.
type Mutex struct {
	guard       guard // guards the fields below
	held        bool
	first, last *waiter // the goroutines that wait, in the order in which they asked
	free        *waiter // a list of those that nobody uses
}

// A waiter represents a goroutine that waits for a Mutex. It is used again, since a Write must
// not allocate.
type waiter struct {
	turn turn // comes when the Mutex is handed over
	next *waiter
}

// Lock locks m.
func (m *Mutex) Lock() {
	m.guard.Lock()
	if m.held {
		m.wait()
		return
	}
	m.held = true
	m.guard.Unlock()
}

// wait is the slow path of Lock, out of line to keep Lock small enough to be inlined.
//
//go:noinline
func (m *Mutex) wait() {
	w := m.free
	if w == nil {
		w = new(waiter)
	} else {
		m.free, w.next = w.next, nil
	}
	w.turn.init(m)
	if m.first == nil {
		m.first = w
	} else {
		m.last.next = w
	}
	m.last = w
	m.guard.Unlock()
	w.turn.wait()
	m.guard.Lock()
	m.free, w.next = w, m.free
	m.guard.Unlock()
}

// Unlock unlocks m, or hands it over to the goroutine that has waited longest.
func (m *Mutex) Unlock() {
	m.guard.Lock()
	if m.first != nil {
		m.handOver()
		return
	}
	m.held = false
	m.guard.Unlock()
}

//go:noinline
func (m *Mutex) handOver() {
	w := m.first
	m.first = w.next
	m.guard.Unlock()
	w.turn.give()
}

// Enter is Lock for a few instructions, which may neither wait nor panic. If m is not free, it
// returns false at once. Leave unlocks m again. Nothing interrupts a goroutine of a guest in
// between, so there both cost next to nothing.
func (m *Mutex) Enter() bool {
	m.guard.Lock()
	if m.held {
		m.guard.Unlock()
		return false
	}
	return true
}

// Leave ends what Enter began.
func (m *Mutex) Leave() { m.guard.Unlock() }
