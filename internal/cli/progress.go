package cli

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/hallmark-project/hallmark/sbom"
)

// progress tells people how far a long step is: a bar on a terminal, a line a step
// in CI, nothing in a pipe or with --quiet.
type progress struct {
	app   *App
	label string
	start time.Time

	mu    sync.Mutex
	bar   *mpb.Bar
	lines bool
	done  map[int]int64
	total map[int]int64
}

func (a *App) progress(label string) *progress {
	return a.progressWith(label, decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 6}))
}

// byteProgress is progress over bytes that come and go: with their rate, and when it will
// be done.
func (a *App) byteProgress(label string) *progress {
	return a.progressWith(label, decor.AverageSpeed(decor.SizeB1024(0), " % .1f"), decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}))
}

// progressWith is progress with something to the right of what is done.
func (a *App) progressWith(label string, right ...decor.Decorator) *progress {
	p := &progress{app: a, label: label, start: a.Now(), done: map[int]int64{}, total: map[int]int64{}}
	switch ci, _ := a.Env("CI"); {
	case a.quiet:
	case a.Terminal && a.logFormat != logJSON:
		p.bar = a.bars.take(a.Err).New(0, barStyle(), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(label)),
			mpb.AppendDecorators(append([]decor.Decorator{decor.CountersKibiByte("% .1f / % .1f")}, right...)...))
	case ci != "" && ci != "false":
		p.lines = true
		a.message("%s ...", label)
	}
	return p
}

// sharedBars has the bars of what runs side by side, one below the other.
type sharedBars struct {
	mu    sync.Mutex
	bars  *mpb.Progress // nil: none is shown
	users int
}

func (s *sharedBars) take(out io.Writer) *mpb.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users++; s.bars == nil {
		s.bars = mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh())
	}
	return s.bars
}

// leave takes all bars away when the last one has ended.
func (s *sharedBars) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.bars.Wait()
		s.bars = nil
	}
}

func barStyle() mpb.BarStyleComposer {
	return mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]")
}

// sbomEvent shows an event of SBOM generation: the bytes of all layers.
func (p *progress) sbomEvent(e sbom.Event) {
	if p.bar == nil || e.Stage != sbom.StageFetch {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[e.Layer], p.total[e.Layer] = e.Done, e.Total
	var done, total int64
	for layer, n := range p.done {
		done += n
		total += p.total[layer]
	}
	p.bar.SetTotal(total+1, false) // not complete before end says so
	p.bar.SetCurrent(done)
}

// bytes shows how many of how many bytes are dealt with.
func (p *progress) bytes(done, total int64) {
	if p.bar == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bar.SetTotal(total+1, false)
	p.bar.SetCurrent(done)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.SetTotal(-1, true)
		p.bar.Abort(true)
		p.app.bars.leave()
	}
	if p.lines {
		p.app.message("%s: done in %s", p.label, p.app.Now().Sub(p.start).Round(time.Millisecond))
	}
}
