package cli

import (
	"sync"
	"sync/atomic"
)

// aheadFor is how many results for each that is worked on at once may wait for one that takes
// longer: it holds the others up only then.
const aheadFor = 16

// inOrder does work for each of 0 to n-1, parallel of them at once, and hands what came of
// each to deliver, in order and one at a time. The first error of deliver ends it, once what
// was begun has ended; work must end soon then. Nothing new is begun while what waits to be
// delivered leaves no room; room may be nil.
func inOrder[T any](n, parallel int, room *room, work func(i int) T, deliver func(i int, result T) error) error {
	stop := make(chan struct{})
	queue := make(chan chan T, parallel*aheadFor)
	var begun sync.WaitGroup
	go func() {
		defer close(queue)
		places := make(chan struct{}, parallel)
		for i := range n {
			select {
			case places <- struct{}{}:
			case <-stop:
				return
			}
			room.wait(stop)
			result := make(chan T, 1)
			begun.Go(func() { result <- work(i); <-places })
			select {
			case queue <- result:
			case <-stop:
				return
			}
		}
	}()
	var err error
	i := 0
	for result := range queue {
		if err == nil {
			if err = deliver(i, <-result); err != nil {
				close(stop)
			}
		}
		i++
	}
	begun.Wait()
	return err
}

// room bounds how many bytes of results wait to be delivered. Those that were begun may fill
// more than there is: none of them ever waits for another one.
type room struct {
	most  int64
	held  atomic.Int64
	freed chan struct{}
}

func newRoom(most int64) *room { return &room{most: most, freed: make(chan struct{}, 1)} }

// take notes a result that waits, and give that it was delivered.
func (r *room) take(n int) { r.held.Add(int64(n)) }

func (r *room) give(n int) {
	r.held.Add(-int64(n))
	select {
	case r.freed <- struct{}{}:
	default: // it was told already
	}
}

// wait returns when there is room, or stop is closed. One goroutine at a time may wait.
func (r *room) wait(stop <-chan struct{}) {
	for r != nil && r.held.Load() >= r.most {
		select {
		case <-r.freed:
		case <-stop:
			return
		}
	}
}
