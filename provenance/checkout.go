package provenance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// gitGrace is how long what git started may keep its output open.
const gitGrace = 5 * time.Second

// maxGit bounds what git answers.
const maxGit = 16 << 20

// shownDirty is how many changed files are named.
const shownDirty = 5

// maxSubmodules is how deep submodules are looked into.
const maxSubmodules = 8

// ReadCheckout asks git about the work tree that dir is in, and nobody on the network. It
// needs the program git. A repository that is no work tree of its own, or whose own
// configuration names programs to run, is refused. The remote is that of origin; a detached
// head without a tag has no ref. Whoever can write to the folder .git can make it say
// anything. An error wraps [ErrBuild].
func ReadCheckout(ctx context.Context, dir string) (Checkout, error) {
	g := git{ctx, dir}
	var c Checkout
	if err := g.trusted(); err != nil {
		return c, err
	}
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
	return c, c.readStatus(g, "", maxSubmodules)
}

// trusted refuses a repository that a commit of another one may hold: a bare one in a
// folder of it, whose configuration came with it. And one that names programs.
func (g git) trusted() error {
	where, err := g.ask("rev-parse", "--absolute-git-dir")
	if err != nil {
		return err
	}
	where = filepath.ToSlash(where)
	if !strings.HasSuffix(where, "/.git") && !strings.Contains(where, "/.git/worktrees/") && !strings.Contains(where, "/.git/modules/") {
		return fmt.Errorf("%w: the repository of %s is %s, and that of a checkout is called .git", ErrBuild, g.dir, where)
	}
	scopes, err := g.run("config", "--show-scope", "--name-only", "--list", "-z")
	if err != nil {
		return err
	}
	fields := strings.Split(string(scopes), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		scope, name := fields[i], fields[i+1]
		if (scope == "local" || scope == "worktree") && strings.HasPrefix(name, "filter.") {
			return fmt.Errorf("%w: the configuration of %s itself names a program to run (%q): programs are run only if your own configuration names them", ErrBuild, g.dir, name)
		}
	}
	return nil
}

// readStatus notes what differs from the commit, in submodules as well: git itself would
// heed what their configuration and .gitmodules say.
func (c *Checkout) readStatus(g git, under string, depth int) error {
	status, err := g.run("status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames", "--ignore-submodules=dirty")
	if err != nil {
		return err
	}
	for _, entry := range bytes.Split(status, []byte{0}) {
		switch {
		case len(entry) < 4:
		case bytes.HasPrefix(entry, []byte("??")):
			c.Others++
		default:
			c.changed(under + string(entry[3:]))
		}
	}
	top, err := g.ask("rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	g.dir = top
	files, err := g.run("ls-files", "-z", "-v", "--stage")
	if err != nil {
		return err
	}
	return c.readFiles(g, files, under, depth)
}

func (c *Checkout) changed(name string) {
	if len(c.Dirty) < shownDirty {
		c.Dirty = append(c.Dirty, name)
	}
}

// readFiles looks for files that git was told not to look at, and into submodules. An entry
// is its tag, mode, object, stage and, behind a tab, its name.
func (c *Checkout) readFiles(g git, files []byte, under string, depth int) error {
	for _, entry := range bytes.Split(files, []byte{0}) {
		facts, name, ok := strings.Cut(string(entry), "\t")
		if !ok || facts == "" {
			continue
		}
		place := filepath.Join(g.dir, name)
		_, missing := os.Lstat(place)
		switch fields := strings.Fields(facts); {
		case facts[0] >= 'a' && facts[0] <= 'z', facts[0] == 'S' && missing == nil: // assumed to be unchanged, or left out and there
			c.changed(under + name)
		case len(fields) > 1 && fields[1] == "160000":
			if _, err := os.Lstat(filepath.Join(place, ".git")); err != nil {
				continue // not checked out
			}
			if depth == 0 {
				return fmt.Errorf("%w: %s has submodules within submodules, more than %d deep", ErrBuild, under+name, maxSubmodules)
			}
			sub := git{g.ctx, place}
			if err := sub.trusted(); err != nil {
				return err
			}
			if err := c.readStatus(sub, under+name+"/", depth-1); err != nil {
				return err
			}
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
	safe := []string{"-C", g.dir, "--no-optional-locks", "--no-replace-objects", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull,
		"-c", "core.untrackedCache=false", "-c", "safe.bareRepository=explicit", "-c", "protocol.allow=never"}
	cmd := exec.CommandContext(ctx, "git", append(safe, args...)...)
	cmd.Env = gitEnvironment()
	cmd.WaitDelay = gitGrace
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
	out := []string{"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C"}
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
