package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/hallmark-project/hallmark/sandbox/internal/pki"
)

// readyWithin bounds how long the services may take to answer.
const readyWithin = 30 * time.Second

// Result is what came of a start.
type Result struct {
	Already bool      `json:"already,omitempty"` // it was up before
	Moved   []Service `json:"moved,omitempty"`   // services whose port was taken since the last time
	Error   string    `json:"error,omitempty"`
}

// Supervise serves the sandbox in dir until ctx ends, with program (this one) for the
// services that need processes of their own. It calls ready once everything answers, and
// returns an error that wraps [ErrStart], [ErrFolder] or errRunning if that does not come
// to be, or [ErrEnded] if it does not last. It logs to w.
func Supervise(ctx context.Context, dir Dir, program string, w io.Writer, ready func(Result)) error {
	if err := dir.make(); err != nil {
		return err
	}
	lock, err := dir.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(lock) }()
	return dir.supervise(ctx, program, w, ready)
}

// supervise is [Supervise] for who holds the lock.
func (d Dir) supervise(ctx context.Context, program string, w io.Writer, ready func(Result)) error {
	runtime.LockOSThread()       // for the children, see startChild; never unlocked
	_ = os.Remove(d.readyFile()) // of one that was killed
	s, moved, err := d.begin(ctx, program, w)
	for try := 1; portTaken(err) && try < startTries && ctx.Err() == nil; try++ {
		s, moved, err = d.begin(ctx, program, w)
	}
	if err != nil {
		return err
	}
	defer s.stop()
	if err := pki.WriteFile(d.readyFile(), nil, 0o600); err != nil {
		return err
	}
	defer os.Remove(d.readyFile())
	s.log.Printf("up")
	ready(Result{Moved: moved})
	return s.wait(ctx)
}

// startTries is how often it is tried to start everything on free ports: between choosing
// one and listening there, somebody else may take it.
const startTries = 4

// portTaken reports whether a start failed for that reason. Services of other projects say so
// in their logs.
func portTaken(err error) bool {
	return err != nil && strings.Contains(err.Error(), syscall.EADDRINUSE.Error())
}

// begin starts everything once. Nothing is left running where it fails.
func (d Dir) begin(ctx context.Context, program string, w io.Writer) (*supervisor, []Service, error) {
	state, m, moved, err := d.prepare(time.Now())
	if err != nil {
		return nil, nil, err
	}
	s := &supervisor{dir: d, state: state, log: log.New(w, "", log.LstdFlags|log.LUTC)}
	if err := s.start(ctx, program, m); err != nil {
		s.stop()
		return nil, nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	return s, moved, nil
}

type supervisor struct {
	dir      Dir
	state    *State
	log      *log.Logger
	servers  []*server
	children []*child
	died     chan *child
}

// start serves what is ours, starts what is not, and waits until all of it answers. The
// issuers come first: Fulcio asks them for their keys when it starts.
func (s *supervisor) start(ctx context.Context, program string, m *material) error {
	fronts, err := s.dir.fronts(s.state, m)
	if err != nil {
		return err
	}
	for service, handler := range fronts {
		front, err := listen(s.state, service, handler, s.log)
		if err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
		s.servers = append(s.servers, front)
	}
	s.died = make(chan *child, 3)
	for _, service := range []Service{Rekor, TSA, Fulcio} {
		c, err := s.dir.startChild(program, service)
		if err != nil {
			return err
		}
		s.children = append(s.children, c)
		go func() {
			<-c.ended
			s.died <- c
		}()
	}
	return s.waitReady(ctx)
}

// waitReady returns when every service answers, or says which one does not.
func (s *supervisor) waitReady(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, service := range Public {
		var dead *child
		err := poll(bounded, 25*time.Millisecond, func() bool {
			select {
			case dead = <-s.died:
				return true
			default:
				return Answers(bounded, s.state, service)
			}
		})
		switch {
		case dead != nil:
			return dead.failure()
		case ctx.Err() != nil:
			return errors.New("interrupted")
		case err != nil:
			return s.late(service)
		}
	}
	return nil
}

func (s *supervisor) late(service Service) error {
	for _, c := range s.children {
		if c.service == service {
			return fmt.Errorf("%s did not answer within %s. The end of %s:\n%s", service, readyWithin, c.log, tail(c.log))
		}
	}
	return fmt.Errorf("%s did not answer within %s", service, readyWithin)
}

// wait returns when ctx ends, or with the failure of a service that ended by itself.
func (s *supervisor) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case c := <-s.died:
		err := c.failure()
		s.log.Printf("%v", err)
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
}

// stop ends the services, those first that use others.
func (s *supervisor) stop() {
	for i := len(s.children) - 1; i >= 0; i-- {
		s.children[i].stop()
	}
	for _, front := range s.servers {
		front.stop()
	}
	s.log.Printf("down")
}

// probes are what a service answers with 200 when it works.
var probes = map[Service]string{
	OIDC:   "/.well-known/openid-configuration",
	CTLog:  "/ct/v1/get-roots",
	Fulcio: "/api/v2/trustBundle",
	Rekor:  "/healthz",
	TSA:    "/ping",
	TUF:    "/timestamp.json",
}

// Answers reports whether a service works.
func Answers(ctx context.Context, state *State, service Service) bool {
	if !answers(ctx, state.URL(service)+probes[service]) {
		return false
	}
	return service != Rekor || answers(ctx, state.URL(Rekor)+rekorAPI+"/checkpoint")
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}
