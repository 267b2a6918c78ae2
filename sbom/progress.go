package sbom

import "sync"

// Stage is a phase of Generate.
type Stage string

// The stages, in the order in which they begin.
const (
	StageFetch   Stage = "fetch"   // blobs are read, unpacked and checked
	StageCatalog Stage = "catalog" // packages are looked for
)

// Event is one step of progress.
type Event struct {
	Stage  Stage
	Layer  int   // StageFetch: which layer, 0 is the base; -1 otherwise
	Layers int   // number of layers; 0 when the source has none
	Done   int64 // bytes so far: of this layer's blob as transferred, or read from the content by the cataloguers
	Total  int64 // bytes expected; 0 when nobody knows, as in StageCatalog until its last event
}

// progressStep is how many bytes pass between two events of one layer: often enough for a progress bar.
const progressStep = 256 << 10

// reporter hands events to the caller's function one at a time, since layers are read in parallel and few callers
// expect that.
type reporter struct {
	mu     sync.Mutex
	fn     func(Event)
	layers int
}

func (r *reporter) emit(e Event) {
	if r == nil || r.fn == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fn(e)
}

// meter counts bytes of one thing and reports them in steps. It is not for several goroutines at once.
type meter struct {
	to       *reporter
	event    Event
	reported int64
}

func (m *meter) add(n int) {
	m.event.Done += int64(n)
	if m.event.Done-m.reported >= progressStep {
		m.flush()
	}
}

func (m *meter) flush() {
	m.reported = m.event.Done
	m.to.emit(m.event)
}
