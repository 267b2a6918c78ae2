package provenance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Checkout is the state of a git work tree.
type Checkout struct {
	Source
	Shallow bool
	Dirty   []string // tracked files that differ from the commit, the first few
	Others  int      // files that are neither tracked nor ignored
}

// gitTimeout bounds one question to git.
const gitTimeout = time.Minute

// maxGit bounds what git answers.
const maxGit = 16 << 20

// shownDirty is how many changed files are named.
const shownDirty = 5

// ReadCheckout asks git about the work tree that dir is in. It needs the program git, and
// runs nothing that the repository's own configuration names. The remote is that of
// origin; a detached head without a tag has no ref. An error wraps [ErrBuild].
func ReadCheckout(ctx context.Context, dir string) (Checkout, error) {
	g := git{ctx, dir}
	var c Checkout
	commit, err := g.ask("rev-parse", "--verify", "--end-of-options", "HEAD^{commit}")
	if err != nil {
		return c, err
	}
	if c.Commit = commit; !formCommit.MatchString(commit) {
		return c, fmt.Errorf("%w: %s: git says that the commit is %.100q", ErrBuild, dir, commit)
	}
	shallow, err := g.ask("rev-parse", "--is-shallow-repository")
	if err != nil {
		return c, err
	}
	c.Shallow = shallow == "true"
	if remote := g.perhaps("config", "--get", "remote.origin.url"); remote != "" {
		if c.Repository, err = RepositoryURL(remote); err != nil {
			c.Repository = "" // a folder, say: whoever asks has to name the source
		}
	}
	if c.Ref = g.perhaps("symbolic-ref", "--quiet", "HEAD"); c.Ref == "" {
		if tag := g.perhaps("describe", "--tags", "--exact-match", "HEAD"); tag != "" {
			c.Ref = "refs/tags/" + tag
		}
	}
	return c, c.readStatus(g)
}

func (c *Checkout) readStatus(g git) error {
	status, err := g.run("status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames")
	if err != nil {
		return err
	}
	for _, entry := range bytes.Split(status, []byte{0}) {
		switch {
		case len(entry) < 4:
		case bytes.HasPrefix(entry, []byte("??")):
			c.Others++
		case len(c.Dirty) < shownDirty:
			c.Dirty = append(c.Dirty, string(entry[3:]))
		}
	}
	return nil
}

// Into makes a checkout the source of b, or a material if the job already knows another
// source. What was changed since the commit would not be told: that is an error, which
// wraps [ErrBuild].
func (c Checkout) Into(b *Build) error {
	if len(c.Dirty) > 0 {
		return fmt.Errorf("%w: the checkout differs from commit %s (%q …): provenance would name a commit that was not built: commit or undo that first", ErrBuild, c.Commit, c.Dirty[0])
	}
	if b.Source.Commit == "" {
		for _, fact := range []struct {
			what, said string
			known      *string
		}{{"repository", c.Repository, &b.Source.Repository}, {"ref", c.Ref, &b.Source.Ref}} {
			if *fact.known != "" && fact.said != "" && *fact.known != fact.said {
				return fmt.Errorf("%w: the %s is %q, and the checkout is of %q", ErrBuild, fact.what, *fact.known, fact.said)
			}
			if *fact.known == "" {
				*fact.known = fact.said
			}
		}
		b.Source.Commit = c.Commit
		if b.Source.Repository == "" {
			return fmt.Errorf("%w: the checkout has no remote \"origin\" that is a URL: name the source repository", ErrBuild)
		}
		return nil
	}
	if b.Source.Commit == c.Commit {
		return nil
	}
	if c.Repository == "" {
		return fmt.Errorf("%w: the job is of commit %s, and the checkout is of %s, which is from nowhere", ErrBuild, b.Source.Commit, c.Commit)
	}
	b.Materials = append(b.Materials, c.material())
	return nil
}

// git asks the program about a folder.
type git struct {
	ctx context.Context
	dir string
}

// perhaps is an answer that there may be none to.
func (g git) perhaps(args ...string) string {
	text, err := g.ask(args...)
	if err != nil || strings.ContainsAny(text, "\n\r\x00") {
		return ""
	}
	return text
}

func (g git) ask(args ...string) (string, error) {
	out, err := g.run(args...)
	return strings.TrimSpace(string(out)), err
}

func (g git) run(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(g.ctx, gitTimeout)
	defer cancel()
	safe := []string{"-C", g.dir, "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.untrackedCache=false"}
	cmd := exec.CommandContext(ctx, "git", append(safe, args...)...)
	cmd.Env = gitEnvironment()
	var out, errs limited
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: the program git is not installed, and without it nothing is known of %s", ErrBuild, g.dir)
	case err != nil:
		first, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return nil, fmt.Errorf("%w: git %s in %s: %w (%.200q)", ErrBuild, args[0], g.dir, err, first)
	case out.cut:
		return nil, fmt.Errorf("%w: git %s in %s answers more than %d bytes", ErrBuild, args[0], g.dir, maxGit)
	}
	return out.Bytes(), nil
}

// gitEnvironment is what git needs to find itself and the user's settings, and nothing
// that points it to another repository.
func gitEnvironment() []string {
	out := []string{"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "XDG_CONFIG_HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// limited keeps the first maxGit bytes.
type limited struct {
	bytes.Buffer
	cut bool
}

func (l *limited) Write(p []byte) (int, error) {
	if room := maxGit - l.Len(); len(p) > room {
		l.cut = true
		l.Buffer.Write(p[:room])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}
