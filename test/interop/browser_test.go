package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// browser is a page in Debian's chromium, driven over the DevTools protocol through a
// pipe, so that no port is open.
type browser struct {
	t       *testing.T
	to      *os.File
	answers chan message
	last    int
	session string

	requests []string // addresses that the page asked for
	wrong    []string // what the browser says is wrong
	loaded   bool
}

// message is anything that the browser sends.
type message struct {
	ID      int             `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
	Session string          `json:"sessionId"`
}

// startBrowser skips the test where there is no chromium.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		skip(t, err)
	}
	hears, to, err1 := os.Pipe()
	from, says, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	home, err := os.MkdirTemp("", "hallmark-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-dev-shm-usage", "--window-size=1280,1000", "--user-data-dir="+home, "--remote-debugging-pipe", "about:blank")
	cmd.Env, cmd.ExtraFiles = environment(home), []*os.File{hears, says}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hears.Close()
	says.Close()
	b := &browser{t: t, to: to, answers: make(chan message, 1000)}
	go b.listen(from)
	t.Cleanup(func() { b.stop(cmd, from, home) })
	b.attach()
	return b
}

func (b *browser) stop(cmd *exec.Cmd, from *os.File, home string) {
	b.to.Close() // at the end of the pipe, chromium ends
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		cmd.Process.Kill()
		<-ended
	}
	from.Close()
	os.RemoveAll(home)
}

// listen passes on messages, each of which ends with a zero byte.
func (b *browser) listen(from *os.File) {
	defer close(b.answers)
	r := bufio.NewReader(from)
	for {
		raw, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimRight(raw, "\x00"), &m) == nil {
			b.answers <- m
		}
	}
}

// attach takes the one page there is and asks to be told of everything it does.
func (b *browser) attach() {
	b.t.Helper()
	var targets struct {
		Infos []struct {
			ID   string `json:"targetId"`
			Type string `json:"type"`
		} `json:"targetInfos"`
	}
	b.into(&targets, b.call("Target.getTargets", nil))
	for _, target := range targets.Infos {
		if target.Type == "page" {
			var attached struct {
				Session string `json:"sessionId"`
			}
			b.into(&attached, b.call("Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}))
			b.session = attached.Session
		}
	}
	if b.session == "" {
		b.t.Fatal("chromium has no page")
	}
	for _, domain := range []string{"Page", "Network", "Log", "Runtime", "Audits"} {
		b.call(domain+".enable", nil)
	}
}

// call sends a command and waits for its answer.
func (b *browser) call(method string, params map[string]any) json.RawMessage {
	b.t.Helper()
	b.last++
	id := b.last
	command := map[string]any{"id": id, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	raw, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(raw, 0)); err != nil {
		b.t.Fatal(err)
	}
	var answer message
	b.until(method, func(m message) bool { answer = m; return m.ID == id })
	if answer.Error != nil {
		b.t.Fatalf("%s: %s", method, answer.Error)
	}
	return answer.Result
}

// until reads what the browser sends until it is what is waited for, and keeps what is
// said about the page.
func (b *browser) until(what string, done func(message) bool) {
	b.t.Helper()
	patience := time.After(time.Minute)
	for {
		select {
		case m, open := <-b.answers:
			if !open {
				b.t.Fatalf("chromium ended while %s was waited for", what)
			}
			b.note(m)
			if done(m) {
				return
			}
		case <-patience:
			b.t.Fatalf("nothing about %s from chromium in a minute", what)
		}
	}
}

func (b *browser) note(m message) {
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Network.requestWillBeSent":
		var sent struct {
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
		}
		b.into(&sent, m.Params)
		b.requests = append(b.requests, sent.Request.URL)
	case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded":
		b.wrong = append(b.wrong, fmt.Sprintf("%s %s", m.Method, m.Params))
	}
}

func (b *browser) into(v any, raw json.RawMessage) {
	b.t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		b.t.Fatalf("%v: %s", err, raw)
	}
}

// open goes to an address and waits for the page to be complete.
func (b *browser) open(address string) {
	b.t.Helper()
	b.loaded, b.requests, b.wrong = false, nil, nil
	var gone struct {
		Error string `json:"errorText"`
	}
	b.into(&gone, b.call("Page.navigate", map[string]any{"url": address}))
	if gone.Error != "" {
		b.t.Fatalf("%s: %s", address, gone.Error)
	}
	if !b.loaded {
		b.until("the page", func(message) bool { return b.loaded })
	}
}

// nothingBut wants that the page asked for its own address and nothing else, and that
// nothing is wrong with it in the browser's eyes.
func (b *browser) nothingBut(address string) {
	b.t.Helper()
	b.call("Page.getNavigationHistory", nil) // whatever was said before it is read now
	if len(b.requests) != 1 || b.requests[0] != address {
		b.t.Errorf("the page asked for %q, want its own address only", b.requests)
	}
	if len(b.wrong) > 0 {
		b.t.Errorf("the browser complains:\n%s", strings.Join(b.wrong, "\n"))
	}
}
