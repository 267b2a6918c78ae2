package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/internal/retry"
)

// ServiceError says that a signing service did not do what was asked of it. Nothing was
// signed that anybody else has seen.
type ServiceError struct {
	Service  string // such as "certificate authority"
	URL      string
	Status   int // of the last answer; 0: there was none
	Message  string
	Attempts int
	Elapsed  time.Duration
	Cause    error // why there was no answer
}

func (e *ServiceError) Error() string {
	text := fmt.Sprintf("the %s %s ", e.Service, e.URL)
	if e.Status == 0 {
		text += fmt.Sprintf("could not be reached: %v", e.Cause)
	} else {
		text += fmt.Sprintf("answered %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (tried %d times in %s)", e.Attempts, e.Elapsed.Round(time.Second))
	}
	return text
}

func (e *ServiceError) Unwrap() error { return e.Cause }

// Refused reports whether the service said no for good: asking again will not help.
func (e *ServiceError) Refused() bool {
	return e.Status >= 300 && !retry.MayPass(e.Status) && !errors.Is(e.Cause, ErrAnswer)
}

// ErrAnswer says that a service answered, and that its answer does not hold.
var ErrAnswer = errors.New("it answered what the trusted root does not vouch for, or nobody can read")

// Client asks signing services. Its zero value works.
type Client struct {
	HTTP      *http.Client
	UserAgent string
	// Budget bounds how long one request is repeated while the service is down;
	// zero means [DefaultBudget].
	Budget time.Duration
	// Patience bounds one attempt; zero means [DefaultPatience].
	Patience time.Duration
	// Waiting is told before each wait what failed and how long the wait will be; nil is
	// nobody. It is called by several goroutines.
	Waiting func(failed *ServiceError, wait time.Duration)
	// Now and Sleep are the clock; nil means the system's.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Bounds on asking a service.
const (
	// DefaultBudget is how long a request is repeated. Short outages of the public
	// services last a minute or so.
	DefaultBudget = 3 * time.Minute
	// DefaultPatience is how long one attempt waits for its answer.
	DefaultPatience = 30 * time.Second

	firstDelay = time.Second
	maxDelay   = 20 * time.Second
	maxAnswer  = 8 << 20
	maxMessage = 300
)

// request is one question to a service. It may be asked again.
type request struct {
	service     string
	method, url string
	contentType string
	body        []byte
	secret      string // must not stand in an error
}

// answer is what the service said, with a status of 2xx or one that was asked for.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do asks until there is an answer, a refusal, or no budget left.
func (c *Client) do(ctx context.Context, r request, also ...int) (answer, error) {
	if err := secure(r); err != nil {
		return answer{}, err
	}
	start, budget := c.now(), c.budget()
	for attempt := 1; ; attempt++ {
		got, err := c.once(ctx, r, budget-c.now().Sub(start))
		if ctx.Err() != nil {
			return answer{}, ctx.Err()
		}
		if err == nil && (got.status < 300 || contains(also, got.status)) {
			return got, nil
		}
		failure := &ServiceError{Service: r.service, URL: r.url, Status: got.status, Attempts: attempt, Elapsed: c.now().Sub(start), Cause: err}
		if err == nil {
			failure.Message = message(got.body, r.secret)
		}
		if failure.Refused() {
			return answer{}, failure
		}
		wait, told := retry.After(got.header, c.now())
		if !told || wait == 0 {
			wait = retry.Backoff(attempt, firstDelay, maxDelay)
		}
		if failure.Elapsed+wait > budget {
			return answer{}, failure
		}
		if c.Waiting != nil {
			c.Waiting(failure, wait)
		}
		if err := c.sleep(ctx, wait); err != nil {
			return answer{}, err
		}
	}
}

func (c *Client) budget() time.Duration {
	if c.Budget == 0 {
		return DefaultBudget
	}
	return c.Budget
}

func contains(list []int, n int) bool {
	for _, have := range list {
		if have == n {
			return true
		}
	}
	return false
}

// secure refuses to send anything over an unprotected connection, but to this machine.
func secure(r request) error {
	u, err := url.Parse(r.url)
	if err != nil {
		return &ServiceError{Service: r.service, URL: r.url, Cause: err}
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return &ServiceError{Service: r.service, URL: r.url, Cause: errors.New("it is not https")}
}

// once asks once, within what is left of the budget.
func (c *Client) once(ctx context.Context, r request, left time.Duration) (answer, error) {
	patience := c.Patience
	if patience == 0 {
		patience = DefaultPatience
	}
	patience = min(patience, max(left, time.Second))
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	if r.contentType != "" {
		q.Header.Set("Content-Type", r.contentType)
	}
	q.Header.Set("User-Agent", c.UserAgent)
	response, err := c.client().Do(q)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return answer{}, withoutSecret(err, r.secret)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("its answer is larger than %d bytes", maxAnswer)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, response.Header, body}, nil
}

// client follows no redirect: what is sent, a token among it, is for one host.
func (c *Client) client() *http.Client {
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	if c.Sleep != nil {
		return c.Sleep(ctx, d)
	}
	return retry.Sleep(ctx, d)
}

// withoutSecret keeps an error of the transport unless it quotes an answer that holds the
// secret.
func withoutSecret(err error, secret string) error {
	text := tokens.ReplaceAllString(err.Error(), "[token]")
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "[token]")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// tokens is what may be a token, or a part of one.
var tokens = regexp.MustCompile(`eyJ[A-Za-z0-9_.-]{8,}`)

// message is a service's own words, short, in one line and without the secret that was
// sent to it, or anything like it.
func message(body []byte, secret string) string {
	text := strings.Join(strings.Fields(string(body)), " ")
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "[token]")
	}
	text = tokens.ReplaceAllString(text, "[token]")
	if len(text) > maxMessage {
		text = text[:maxMessage] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
