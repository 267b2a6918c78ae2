package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/verify"
)

// defaultParallel is how many subjects are judged at once: what is held of their evidence
// has a bound of its own.
const defaultParallel = 16

func (b *bench) parallel() int {
	if b.o.many.parallel == 0 {
		return defaultParallel
	}
	return b.o.many.parallel
}

// sideBySide is the program for several subjects at once: there is one bar for them all, and
// nobody will want to type all of these names again.
func (a *App) sideBySide() *App {
	app := *a
	app.Terminal = false
	return &app
}

// sideBySide is the bench for several subjects at once.
func (b *bench) sideBySide() *bench {
	side := *b
	side.app, side.first = b.app.sideBySide(), &firsts{ahead: map[string]context.Context{}}
	return &side
}

// firsts lets the first subject of each repository go ahead: it gets the token that the others
// use, who would all ask for one otherwise.
type firsts struct {
	mu    sync.Mutex
	ahead map[string]context.Context // by repository; it ends when the others may go
}

// firstPatience is how long the others wait for the first: more tokens are better than that
// all stand still.
const firstPatience = time.Second

// enter waits for the first of a repository, or is it: leave then lets the others go.
func (f *firsts) enter(ctx context.Context, text string) (leave func()) {
	ref, err := oci.ParseReference(text)
	if f == nil || err != nil || ref.Scheme != oci.SchemeRegistry {
		return func() {}
	}
	f.mu.Lock()
	ahead, known := f.ahead[ref.Place()]
	if known {
		f.mu.Unlock()
		<-ahead.Done()
		return func() {}
	}
	ahead, leave = context.WithTimeout(ctx, firstPatience)
	f.ahead[ref.Place()] = ahead
	f.mu.Unlock()
	return leave
}

// resolve pins a subject.
func (b *bench) resolve(ctx context.Context, text string) (*target, error) {
	defer b.first.enter(ctx, text)()
	return b.app.resolve(ctx, b.session, text, b.o.evidence, true)
}

// judgeSafely judges one of several subjects. Where the program itself fails, nothing is
// known about that subject, and the others go on.
func (b *bench) judgeSafely(ctx context.Context, text string) (v *judgement) {
	defer func() {
		if r := recover(); r != nil {
			v = &judgement{Subject: &render.Subject{Subject: text}}
			v.end(&verify.Error{Subject: text, Failures: []verify.Failure{{Verdict: verify.ErrInconclusive, Type: "judgement",
				Cause: printable(fmt.Sprintf("internal error: %.500s; this is a bug, please report it", fmt.Sprint(r)))}}})
		}
	}()
	return b.judgeInTime(ctx, text)
}

// cataloguing is for one image at a time: it takes all processors, and memory by the size
// of the image.
var cataloguing = semaphore.NewWeighted(1)

// rederiveInTurn is rederive when it is this subject's turn.
func (b *bench) rederiveInTurn(ctx context.Context, v *judgement) error {
	if v.plan.Rederive == nil && !b.o.rederive {
		return nil
	}
	if err := cataloguing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer cataloguing.Release(1)
	return b.rederive(ctx, v)
}
