package trust

import (
	"fmt"
	"time"
)

// Window is the time in which a key or an authority may be used. A zero time is no
// bound; both ends are inclusive.
type Window struct {
	From, Until time.Time
}

// Contains reports whether t is in the window.
func (w Window) Contains(t time.Time) bool {
	return (w.From.IsZero() || !t.Before(w.From)) && (w.Until.IsZero() || !t.After(w.Until))
}

// String is the window for people, days in UTC.
func (w Window) String() string {
	switch {
	case w.From.IsZero() && w.Until.IsZero():
		return "always"
	case w.Until.IsZero():
		return "from " + stamp(w.From)
	case w.From.IsZero():
		return "until " + stamp(w.Until)
	}
	return fmt.Sprintf("from %s until %s", stamp(w.From), stamp(w.Until))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
