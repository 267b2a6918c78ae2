package oidc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oidc"
)

// made is a token with these claims, in JSON.
func made(claims string) string {
	raw := base64.RawURLEncoding.EncodeToString
	return raw([]byte(`{"alg":"none"}`)) + "." + raw([]byte(claims)) + "." + raw([]byte("signature"))
}

const sound = `{"iss":"https://issuer.example","sub":"s","aud":"sigstore","exp":2000000000}`

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		raw   string
		fault string // empty: it is sound
	}{
		"sound":            {made(sound), ""},
		"blanks around":    {" " + made(sound) + "\n", ""},
		"audiences":        {made(`{"iss":"i","sub":"s","aud":["a","sigstore"],"exp":2000000000}`), ""},
		"email only":       {made(`{"iss":"i","email":"a@b.c","email_verified":true,"aud":"a","exp":2000000000.5}`), ""},
		"empty":            {"", "no JSON web token"},
		"one part":         {"eyJhbGciOiJub25lIn0", "no JSON web token"},
		"four parts":       {made(sound) + ".e30", "no JSON web token"},
		"no signature":     {made(sound)[:strings.LastIndex(made(sound), ".")+1], "no JSON web token"},
		"line break":       {strings.Replace(made(sound), ".", ".\n", 1), "no JSON web token"},
		"not base64url":    {"e30.!!.e30", "no JSON web token"},
		"not JSON":         {made("not JSON"), "cannot be read"},
		"null":             {made("null"), "cannot be read"},
		"list":             {made("[]"), "cannot be read"},
		"too large":        {made(`{"x":"` + strings.Repeat("x", 64<<10) + `"}`), "more than 65536 bytes"},
		"no issuer":        {made(`{"sub":"s","aud":"a","exp":2000000000}`), "no issuer"},
		"issuer by case":   {made(`{"ISS":"i","sub":"s","aud":"a","exp":2000000000}`), "no issuer"},
		"issuer a number":  {made(`{"iss":1,"sub":"s","aud":"a","exp":2000000000}`), "claim iss"},
		"nobody":           {made(`{"iss":"i","aud":"a","exp":2000000000}`), "names nobody"},
		"no audience":      {made(`{"iss":"i","sub":"s","exp":2000000000}`), "whom it is for"},
		"empty audience":   {made(`{"iss":"i","sub":"s","aud":[],"exp":2000000000}`), "whom it is for"},
		"audience a thing": {made(`{"iss":"i","sub":"s","aud":{},"exp":2000000000}`), "claim aud"},
		"no end":           {made(`{"iss":"i","sub":"s","aud":"a"}`), "when it ends"},
		"end a text":       {made(`{"iss":"i","sub":"s","aud":"a","exp":"2000000000"}`), "claim exp"},
		"unverified":       {made(`{"iss":"i","sub":"s","email":"a@b.c","email_verified":false,"aud":"a","exp":2000000000}`), "a@b.c was not verified"},
		"unverified text":  {made(`{"iss":"i","sub":"s","email":"a@b.c","email_verified":"false","aud":"a","exp":2000000000}`), "was not verified"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := oidc.Parse(c.raw)
			if c.fault == "" {
				if err != nil || token.Reveal() != strings.TrimSpace(c.raw) {
					t.Errorf("got %v, %v", token, err)
				}
				return
			}
			says(t, err, c.fault)
			if !errors.Is(err, oidc.ErrToken) || token.Reveal() != "" || strings.Contains(err.Error(), "eyJ") {
				t.Errorf("got %v, %v", token, err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		claims string
		fault  string
	}{
		"sound":         {fmt.Sprintf(`"aud":"sigstore","exp":%d,"iat":%d,"nbf":%d`, at(time.Minute), at(0), at(0)), ""},
		"one of two":    {fmt.Sprintf(`"aud":["x","sigstore"],"exp":%d`, at(time.Minute)), ""},
		"clock off":     {fmt.Sprintf(`"aud":"sigstore","exp":%d,"iat":%d`, at(time.Hour), at(time.Minute)), ""},
		"other":         {fmt.Sprintf(`"aud":"https://github.com/octo","exp":%d`, at(time.Minute)), `audience "https://github.com/octo", wanted is "sigstore"`},
		"ended":         {fmt.Sprintf(`"aud":"sigstore","exp":%d`, at(-time.Second)), "ends at 2030-"},
		"about to end":  {fmt.Sprintf(`"aud":"sigstore","exp":%d`, at(9*time.Second)), "ends at"},
		"future":        {fmt.Sprintf(`"aud":"sigstore","exp":%d,"iat":%d`, at(time.Hour), at(2*time.Minute)), "a time to come"},
		"far future":    {fmt.Sprintf(`"aud":"sigstore","exp":%d,"iat":1e300`, at(time.Hour)), "a time to come"},
		"not before":    {fmt.Sprintf(`"aud":"sigstore","exp":%d,"nbf":%d`, at(time.Hour), at(2*time.Minute)), "a time to come"},
		"long ago":      {`"aud":"sigstore","exp":1`, "ends at"},
		"steers output": {fmt.Sprintf(`"aud":"\u001b[2J\u202e","exp":%d`, at(time.Hour)), `"?[2J?"`},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := oidc.Parse(made(`{"iss":"https://issuer.example","sub":"s",` + c.claims + `}`))
			if err != nil {
				t.Fatal(err)
			}
			err = token.Check(oidc.Audience, now)
			if c.fault == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			says(t, err, c.fault, "https://issuer.example")
			if !errors.Is(err, oidc.ErrToken) || strings.Contains(err.Error(), "eyJ") {
				t.Error(err)
			}
		})
	}
}

// A token that is printed by mistake stays a secret.
func TestTokenIsNotPrinted(t *testing.T) {
	token, err := oidc.Parse(sigstore.New(t).Token(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token.Reveal(), "eyJ") || !strings.Contains(token.Describe(), "dev@example.com (issuer http") {
		t.Errorf("reveals %q, describes %q", token.Reveal(), token.Describe())
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("got", "token", token, "pointer", &token)
	document, err := json.Marshal(map[string]any{"token": token, "pointer": &token})
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ t oidc.Token }{token} // its methods cannot be reached
	text := fmt.Sprint(token, &token, hidden) + fmt.Sprintf("%s %v %+v %#v %q %x %d", token, token, token, token, token, token, token) +
		fmt.Sprintf("%v %+v %#v", hidden, hidden, hidden) + token.String() + token.GoString() + log.String() + string(document)
	if strings.Contains(text, token.Reveal()) || strings.Contains(text, strings.Split(token.Reveal(), ".")[2]) {
		t.Errorf("printed: %s", text)
	}
}

func FuzzParse(f *testing.F) {
	for _, claims := range []string{sound, "null", "[]", `{"iss":"i","sub":"s","aud":["a"],"exp":1e300,"iat":-1}`, `{"iss":"i","email":"e","email_verified":"false","aud":"a","exp":1}`} {
		f.Add(made(claims))
	}
	f.Add("a.b.c")
	f.Add("")
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := oidc.Parse(raw)
		if err != nil {
			if !errors.Is(err, oidc.ErrToken) || token.Reveal() != "" {
				t.Fatalf("%v, %v", token, err)
			}
			return
		}
		if token.Issuer == "" || token.Subject+token.Email == "" || len(token.Audience) == 0 || token.Expires.IsZero() {
			t.Fatalf("not complete: %v", token)
		}
		_ = token.Check(oidc.Audience, time.Unix(1_900_000_000, 0))
		if again, err := oidc.Parse(token.Reveal()); err != nil || again.Describe() != token.Describe() {
			t.Fatalf("read again: %v, %v", again, err)
		}
	})
}
