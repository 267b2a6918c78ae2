package cli

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/render"
)

// TestJudgeSafely: where the program fails on an image, nothing is decided about it.
func TestJudgeSafely(t *testing.T) {
	b := &bench{app: &App{Env: func(string) (string, bool) { return "", false }, Err: &bytes.Buffer{}}} // without a session: nil is used
	v := b.judgeSafely(context.Background(), "localhost:1/app:v1")
	if v.Verdict != render.Inconclusive || classifyOK(v.err) != exitInconclusive || v.Verified != nil || !strings.Contains(why(v), "internal error") {
		t.Errorf("%s: %v", v.Verdict, v.err)
	}
}

func TestInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 7, 500} {
		var atOnce, most atomic.Int64
		var got []int
		err := inOrder(n, 5, nil, func(i int) int {
			most.Store(max(most.Load(), atOnce.Add(1)))
			defer atOnce.Add(-1)
			return i * i
		}, func(i, result int) error {
			if result != i*i {
				t.Errorf("%d: %d", i, result)
			}
			got = append(got, i)
			return nil
		})
		if err != nil || len(got) != n || !slices.IsSorted(got) || most.Load() > 5 {
			t.Errorf("%d: %v, %d delivered, %d at once", n, err, len(got), most.Load())
		}
	}
}

// TestInOrderEnds: an error ends it soon, and nothing runs on.
func TestInOrderEnds(t *testing.T) {
	broken := errors.New("broken")
	var begun, running atomic.Int64
	err := inOrder(1_000_000, 4, nil, func(i int) int {
		begun.Add(1)
		running.Add(1)
		defer running.Add(-1)
		return i
	}, func(i, _ int) error {
		if i == 10 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || running.Load() != 0 || begun.Load() > 11+4*(aheadFor+2) {
		t.Errorf("%v, %d begun, %d still running", err, begun.Load(), running.Load())
	}
}

// TestInOrderRoom: while one takes long, the others fill the room that there is, and end when
// it does.
func TestInOrderRoom(t *testing.T) {
	space := newRoom(100)
	var begun atomic.Int64
	waits, quiet := make(chan struct{}), make(chan struct{})
	go func() {
		for last := int64(-1); begun.Load() != last || last < 10; time.Sleep(50 * time.Millisecond) {
			last = begun.Load()
		}
		close(quiet)
	}()
	delivered := 0
	err := inOrder(1_000, 4, space, func(i int) int {
		begun.Add(1)
		if i == 0 {
			<-quiet
			if n := begun.Load(); n > 15 {
				t.Errorf("%d begun, although ten fill the room", n)
			}
			close(waits)
		}
		space.take(10)
		return i
	}, func(int, int) error {
		<-waits
		delivered++
		space.give(10)
		return nil
	})
	if err != nil || delivered != 1_000 || space.held.Load() != 0 {
		t.Errorf("%v, %d delivered, %d held", err, delivered, space.held.Load())
	}
	full := newRoom(1)
	err = inOrder(100, 2, full, func(int) int { full.take(1); return 0 }, func(int, int) error { return errors.New("broken") })
	if err == nil {
		t.Error("no error")
	}
}

// TestCountBar: progress is shown where somebody looks and the results go elsewhere, and it
// ends, however far it came.
func TestCountBar(t *testing.T) {
	for _, c := range []struct {
		app         App
		done, steps int
		shown       bool
	}{
		{App{Terminal: true}, 0, 5, true}, {App{Terminal: true}, 2, 1, true}, {App{Terminal: true}, 5, 0, true}, {App{Terminal: true}, 0, 0, true},
		{App{}, 0, 5, false}, {App{Terminal: true, quiet: true}, 0, 5, false}, {App{Terminal: true, logFormat: logJSON}, 0, 5, false},
	} {
		var shown bytes.Buffer
		c.app.Err, c.app.Out, c.app.bars = &shown, &bytes.Buffer{}, &sharedBars{}
		step, end := c.app.countBar("Verifying", 5, c.done)
		for range c.steps {
			step()
			time.Sleep(time.Millisecond)
		}
		if c.steps == 5 {
			time.Sleep(300 * time.Millisecond) // longer than the bar waits between two pictures
		}
		end()
		if !c.shown && shown.Len() > 0 || c.shown && c.steps == 5 && !strings.Contains(shown.String(), "Verifying") {
			t.Errorf("%+v: %q", c, shown.String())
		}
	}
}

// TestReadList: a list is text with a reference on each line, and nothing else is.
func TestReadList(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
		says string
	}{
		"plain":            {"a:1\n\n  b:2 # why\r\n# no\n\ta:1\nc:3", []string{"a:1", "b:2", "a:1", "c:3"}, ""},
		"byte order mark":  {"\ufeffa:1\n", []string{"a:1"}, ""},
		"hash in the word": {"a#b\n", []string{"a#b"}, ""},
		"empty":            {"\n# nothing\n", nil, "is empty: want a reference on each line"},
		"two words":        {"a:1\nc:3 b:2\n", nil, "line 2: want a reference, got 2 words"},
		"escape":           {"a:1\n\x1b[2Jb:2\n", nil, "line 2 holds characters that cannot be seen"},
		"nul":              {"a\x00b\n", nil, "line 1 holds"},
		"invisible":        {"a\u202eb\n", nil, "line 1 holds"},
		"no text":          {"a:1\n\xff\xfe\n", nil, "line 2 is no text"},
		"long line":        {"a:1\n" + strings.Repeat("a", 9_000) + "\n", nil, "line 2 is longer than any reference"},
		"million":          {strings.Repeat("example.com/app:v1\n", 1_000_000), nil, "more than 200000 lines"},
		"too large":        {strings.Repeat("#\n", 20<<20), nil, "larger than the limit"},
	} {
		list, err := (&App{In: strings.NewReader(c.text)}).readList("-", "a reference")
		var got []string
		for _, l := range list {
			got = append(got, l.words...)
		}
		switch {
		case c.says == "" && (err != nil || !slices.Equal(got, c.want)):
			t.Errorf("%s: %q, %v", name, got, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || classify(err).code != exitUsage):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
