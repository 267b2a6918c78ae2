// Package peer starts registries on loopback for benchmarks and tests that run hallmark as
// a program: that of the distribution project, and one in this process that has the
// referrers API.
package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

// patience is how long a registry may take to say where it listens.
const patience = time.Minute

// Distribution starts program, the registry of the distribution project, with its files in
// dir. It has no referrers API, and deletes what it is asked to. It ends when stop is called.
func Distribution(program, dir string) (host string, stop func(), err error) {
	config := filepath.Join(dir, "distribution.yml")
	err = os.WriteFile(config, fmt.Appendf(nil, `version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}
http: {addr: "127.0.0.1:0"}
`, filepath.Join(dir, "distribution")), 0o600)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(program, "serve", config)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none", "HOME=" + dir}
	log, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if host, err = listening(log); err != nil {
		stop()
		return "", nil, err
	}
	return host, stop, nil
}

// listening reads a registry's log until it says where it listens, and goes on emptying it.
func listening(log io.Reader) (string, error) {
	found := make(chan string, 1)
	said := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	go func() {
		defer close(found)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := said.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default: // it was said before
				}
			}
		}
	}()
	select {
	case host, ok := <-found:
		if ok {
			return host, nil
		}
	case <-time.After(patience):
	}
	return "", errors.New("the registry does not say where it listens")
}

// Memory starts a registry with the referrers API in this process.
func Memory() (host string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: ociserver.New(ocimem.New(), nil), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), func() { _ = server.Close() }, nil
}
