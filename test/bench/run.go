package main

import (
	"fmt"
	"os"
	"time"
)

// operation is something that both tools do.
type operation struct {
	name    string
	peer    string // what it is compared with
	at      *registry
	latency time.Duration
	runs    int // at most so often; 0: as often as asked
	// needs is what has to be there before anything is measured, made once.
	needs []need
	// prepare makes what one run needs, and gives what it is about; ours says for whom.
	prepare func(ours bool) (ref string, err error)
	// after is called when a run has ended.
	after        func()
	ours, theirs func(ref string) script
	// of how many things a run is: time is told of one.
	oursOf, theirsOf int
	// proxies are all that count requests, if not that of the registry alone.
	proxies func() []*proxy
}

// need is something to prepare, by name.
type need struct {
	name string
	make func() error
}

// script is what one run of one tool is.
type script struct {
	commands [][]string
	env      []string
	codes    []int // with which commands may end; none: 0
}

func commands(list ...[]string) script { return script{commands: list} }

// title tells operations apart: by registry and latency, too.
func (o operation) title() string {
	title := o.name
	if o.at != nil {
		title += ", " + o.at.name
	}
	if o.latency > 0 {
		title += ", " + fmt.Sprint(o.latency)
	}
	return title
}

// measureAll measures every operation that was asked for.
func (b *bench) measureAll() error {
	for _, o := range b.operations() {
		if !b.only.MatchString(o.title()) {
			continue
		}
		for _, n := range o.needs {
			if err := b.once(n.name, n.make); err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
		}
		if err := b.measure(o); err != nil {
			return fmt.Errorf("%s: %w", o.title(), err)
		}
	}
	return nil
}

// measure lets both tools take turns.
func (b *bench) measure(o operation) error {
	runs := b.runs
	if o.runs > 0 && !b.quick {
		runs = min(runs, o.runs)
	}
	if o.name == startUp && !b.quick {
		runs = 4 * b.runs
	}
	var ours, theirs []sample
	for n := range runs {
		fmt.Fprintf(os.Stderr, "bench: %5.0fs %s, run %d of %d\n", time.Since(b.began).Seconds(), o.title(), n+1, runs)
		s, err := b.sample(o, true)
		if err != nil {
			return err
		}
		ours = append(ours, s.per(o.oursOf))
		if s, err = b.sample(o, false); err != nil {
			return err
		}
		theirs = append(theirs, s.per(o.theirsOf))
	}
	b.table.add(o, ours, theirs)
	return nil
}

// sample measures one run of one tool.
func (b *bench) sample(o operation, ours bool) (sample, error) {
	var ref string
	if o.at != nil {
		o.at.proxy.latency.Store(0) // preparing need not take long
	}
	if o.prepare != nil {
		var err error
		if ref, err = o.prepare(ours); err != nil {
			return sample{}, err
		}
	}
	if o.after != nil {
		defer o.after()
	}
	proxies := o.counted()
	for _, p := range proxies {
		p.latency.Store(int64(o.latency))
		p.reset()
	}
	tool := o.theirs
	if ours {
		tool = o.ours
	}
	used, err := b.measured(tool(ref))
	if err != nil {
		return sample{}, err
	}
	s := sample{usage: used}
	s.requests, s.bytes, s.depth = counts(proxies...)
	return s, nil
}

func (o operation) counted() []*proxy {
	switch {
	case o.proxies != nil:
		return o.proxies()
	case o.at != nil:
		return []*proxy{o.at.proxy}
	}
	return nil
}
