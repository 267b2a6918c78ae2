package oidc

import (
	"html/template"
	"net/http"
	"sync"
	"time"
)

const (
	codeLifetime = 5 * time.Minute
	// maxPending bounds what is remembered; the oldest are forgotten first.
	maxPending = 1000
)

// grant is what a person agreed to, or will: an ID token for client.
type grant struct {
	client, redirect, nonce, challenge string
	email                              string // empty as long as nobody agreed
	user                               string // the code that a person types in the device flow
	until                              time.Time
}

// pending holds grants by their codes, for a few minutes and for one use.
type pending struct {
	mu      sync.Mutex
	codes   map[string]grant
	devices map[string]grant
}

func (p *pending) addCode(g grant, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := random()
	p.codes = remember(p.codes, code, g, now)
	return code
}

func (p *pending) takeCode(code string, now time.Time) (grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.codes[code]
	delete(p.codes, code)
	return g, ok && now.Before(g.until)
}

func (p *pending) addDevice(g grant, now time.Time) (device, user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := random()
	g.user = text[:4] + "-" + text[4:8]
	device = random()
	p.devices = remember(p.devices, device, g, now)
	return device, g.user
}

// takeDevice returns the grant, or the error of RFC 8628 section 3.5. A grant that
// nobody agreed to yet stays.
func (p *pending) takeDevice(device, verifier string, now time.Time) (g grant, code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.devices[device]
	switch {
	case !ok || !now.Before(g.until):
		return grant{}, "expired_token"
	case !g.proves(verifier):
		return grant{}, "invalid_grant"
	case g.email == "":
		return grant{}, "authorization_pending"
	}
	delete(p.devices, device)
	return g, ""
}

func (p *pending) agree(user, email string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for device, g := range p.devices {
		if g.user == user && g.email == "" && now.Before(g.until) {
			g.email = email
			p.devices[device] = g
			return true
		}
	}
	return false
}

func remember(grants map[string]grant, code string, g grant, now time.Time) map[string]grant {
	if grants == nil {
		grants = map[string]grant{}
	}
	oldest := ""
	for other, o := range grants {
		if !now.Before(o.until) {
			delete(grants, other)
		} else if oldest == "" || o.until.Before(grants[oldest].until) {
			oldest = other
		}
	}
	if len(grants) >= maxPending {
		delete(grants, oldest)
	}
	g.until = now.Add(codeLifetime)
	grants[code] = g
	return grants
}

const head = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Hallmark sandbox</title>
<style>body{font:16px sans-serif;max-width:32em;margin:4em auto}label{display:block;margin:1em 0}code{font-size:1.3em}</style>
<h1>Hallmark sandbox</h1><p>This issuer is for tests: it believes whatever it is told.</p>`

var (
	loginPage = template.Must(template.New("login").Parse(head + `<form method="post" action="{{.Action}}">
{{range $name, $value := .Hidden}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
{{if .AskCode}}<label>Code shown by the device <input name="user_code" value="{{.Code}}" required></label>{{end}}
<label>Sign in as <input name="email" type="email" placeholder="someone@example.com" required autofocus></label>
<button>Sign in</button></form>`))
	codePage = template.Must(template.New("code").Parse(head + `<p>Enter this code: <code>{{.}}</code></p>`))
	donePage = template.Must(template.New("done").Parse(head + `<p>Signed in as {{.}}. This window can be closed.</p>`))
)

func page(w http.ResponseWriter, t *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_ = t.Execute(w, data) // who does not wait for the page needs none
}
