package oci

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

var (
	// ErrNotFound says that a reference, manifest or blob is not there, or that the
	// registry hides it from this user. Callers that need it to conclude must treat
	// it as "could not find out".
	ErrNotFound = errors.New("not found")
	// ErrReadOnly says that the store cannot be written to: a layout in a tar
	// archive. Unpack it, or copy it to a folder or a registry.
	ErrReadOnly = errors.New("this store is read-only")
	// ErrReference says that text is no subject in the grammar of [ParseReference].
	// Ask the user for another one.
	ErrReference = errors.New("bad subject")
	// ErrLayout says that a folder or archive is no OCI image layout.
	ErrLayout = errors.New("not an OCI image layout")
	// ErrManifest says that a manifest or index cannot be what it says it is. It
	// must not be used.
	ErrManifest = errors.New("malformed manifest")
	// ErrContended says that other writers kept overwriting the fallback index. The
	// evidence itself is pushed; running the command again attaches it.
	ErrContended = errors.New("other writers kept overwriting the list of referrers")
	// ErrListing says that a list of referrers could not be read to its end, so that
	// nothing may be concluded from what is missing in it.
	ErrListing = errors.New("the list of referrers could not be read to its end")
)

// StatusError is a registry's answer that is no success.
type StatusError struct {
	Method, URL string // URL without query and credentials
	Status      int
	Code        string // the registry's first error code, such as MANIFEST_UNKNOWN
	Message     string
	// RetryAfter is how long the registry wants to be left alone; 0 where it does not
	// say.
	RetryAfter time.Duration
	// Tries is how often the request was sent.
	Tries int
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if detail := strings.TrimSpace(e.Code + " " + e.Message); detail != "" {
		text += ": " + detail
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (it wants to be asked again after %s)", e.RetryAfter)
	}
	return text + howOften(e.Tries)
}

func howOften(tries int) string {
	if tries <= 1 {
		return ""
	}
	return fmt.Sprintf(" (asked %d times)", tries)
}

// Is makes a 404 an [ErrNotFound].
func (e *StatusError) Is(target error) bool {
	return target == ErrNotFound && e.Status == http.StatusNotFound
}

// Unauthorized reports whether the registry wants other credentials.
func (e *StatusError) Unauthorized() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// Throttled reports whether the registry asked for fewer requests.
func (e *StatusError) Throttled() bool { return e.Status == http.StatusTooManyRequests }

// RequestError says that a registry gave no answer, or not the whole of it: the name,
// the connection, TLS, or a body that broke off. It was tried again already where that
// could help; try later. It is a [net.Error].
type RequestError struct {
	Method, URL string // URL without query and credentials
	Err         error
	Tries       int // how often the request was sent

	body bool // the request was answered, but its body broke off: worth another try
}

func (e *RequestError) Error() string {
	return e.Method + " " + e.URL + ": " + e.Err.Error() + howOften(e.Tries)
}

func (e *RequestError) Unwrap() error { return e.Err }

// Timeout reports whether the registry was too slow.
func (e *RequestError) Timeout() bool {
	var timeout net.Error
	return errors.Is(e.Err, errIdle) || errors.As(e.Err, &timeout) && timeout.Timeout()
}

// Temporary is what [net.Error] wants besides.
func (e *RequestError) Temporary() bool { return brokeOff(e.Err) }

// DigestError says that bytes are not what their digest promises: damaged on the
// way or tampered with. They must not be used.
type DigestError struct {
	Want, Got digest.Digest
	WantSize  int64 // -1 where no size was promised
	GotSize   int64
}

func (e *DigestError) Error() string {
	if e.WantSize >= 0 && e.WantSize != e.GotSize {
		return fmt.Sprintf("content of %s: got %d bytes, %d were promised", e.Want, e.GotSize, e.WantSize)
	}
	return fmt.Sprintf("content of %s does not match its digest: it is %s", e.Want, e.Got)
}

// TooLargeError says that something is over the cap for its kind.
type TooLargeError struct {
	What  string
	Limit int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s is larger than the limit of %d bytes", e.What, e.Limit)
}
