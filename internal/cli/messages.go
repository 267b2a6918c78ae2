package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Forms of what is told on standard error.
const (
	logText = "text"
	logJSON = "json"
)

// Levels of what is told.
const (
	levelDebug   = "debug"
	levelInfo    = "info"
	levelWarning = "warning"
	levelError   = "error"
)

// logLine is a message as JSON. Every line on standard error is one.
type logLine struct {
	Time     time.Time `json:"time"`
	Level    string    `json:"level"`
	Message  string    `json:"message"`
	Remedy   string    `json:"remedy,omitempty"`
	ExitCode int       `json:"exitCode,omitempty"`
}

// message tells people something on the error stream, unless they asked for quiet. What
// begins with "Warning: " is one.
func (a *App) message(format string, args ...any) {
	if a.quiet {
		return
	}
	text := fmt.Sprintf(format, args...)
	if a.logFormat != logJSON {
		a.tell(text)
		return
	}
	level := levelInfo
	if rest, ok := strings.CutPrefix(text, "Warning: "); ok {
		level, text = levelWarning, rest
	}
	a.logJSON(logLine{Level: level, Message: text})
}

// detail tells where something came from, to those who want to know.
func (a *App) detail(format string, args ...any) {
	if !a.verbose {
		return
	}
	text := printableLines(fmt.Sprintf(format, args...))
	if a.logFormat == logJSON {
		a.logJSON(logLine{Level: levelDebug, Message: text})
		return
	}
	a.tell("·", text)
}

func (a *App) logJSON(line logLine) {
	line.Time = a.Now().UTC()
	raw, err := json.Marshal(line)
	if err != nil {
		raw = []byte(`{"level":"error","message":"a message that is no text"}`)
	}
	a.tell(string(raw))
}

// telling keeps the messages of what runs side by side apart.
var telling sync.Mutex

func (a *App) tell(words ...any) {
	telling.Lock()
	defer telling.Unlock()
	fmt.Fprintln(a.Err, words...)
}

// failed tells how a command ended.
func (a *App) failed(text, remedy string, code int) {
	if a.logFormat == logJSON {
		a.logJSON(logLine{Level: levelError, Message: text, Remedy: remedy, ExitCode: code})
		return
	}
	a.tell("hallmark:", text)
	if remedy != "" {
		a.tell(remedy)
	}
}
