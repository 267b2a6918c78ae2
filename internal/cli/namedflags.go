package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// namedFlags say which files name the images to verify.
type namedFlags struct {
	files []string
	args  []string
	pin   bool
}

func (n *namedFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&n.files, "filename", "f", nil, "`file` that names images: a Kubernetes manifest, a Dockerfile or a compose file; - is standard input; may be repeated")
	f.StringArrayVar(&n.args, "build-arg", nil, "`NAME=VALUE` of a Dockerfile's ARG or a compose file's variable; may be repeated")
	f.BoolVar(&n.pin, "pin", false, "with -f: write the verified digests behind the images' names, if all are verified (of standard input, to standard output)")
}

// named is what files name.
type named struct {
	manifests []manifest
	images    []namedImage
}

// namedIn reads the files that name images.
func (a *App) namedIn(f namedFlags, platforms []string) (named, error) {
	if len(f.files) == 0 {
		if f.pin || len(f.args) > 0 {
			return named{}, usagef("--pin and --build-arg go with -f")
		}
		return named{}, nil
	}
	if f.pin && len(platforms) > 0 {
		return named{}, usagef("--pin writes the digest of the whole image: leave --platform out")
	}
	args := map[string]string{}
	for _, text := range f.args {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return named{}, usagef("--build-arg %q: want NAME=VALUE", text)
		}
		args[name] = value
	}
	manifests, err := a.readManifests(f.files, args)
	if err != nil {
		return named{}, err
	}
	images, err := namedImages(manifests)
	return named{manifests, images}, err
}

func (n named) references() []string {
	var out []string
	for _, image := range n.images {
		out = append(out, image.reference)
	}
	return out
}

// tell notes where each image is named.
func (n named) tell(judged []*judgement) {
	for i, v := range judged {
		v.Named = n.images[i].places
	}
}

// resultsBeside is the program with its results on standard error, where standard output
// is for the pinned text.
func (a *App) resultsBeside(f namedFlags) *App {
	if !f.pin || !slices.Contains(f.files, "-") {
		return a
	}
	other := *a
	other.Out = a.Err
	return &other
}

// pinAll puts the digests of images behind their names, if nothing was turned down. What
// no rule speaks about stays as it is.
func (a *App) pinAll(n named, judged []*judgement, worst error) error {
	if worst != nil {
		a.message("Nothing was pinned: not everything is verified.")
		return nil
	}
	digests := map[string]string{}
	for i, v := range judged {
		if reference := n.images[i].reference; v.err == nil && len(v.Verified) > 0 && !strings.Contains(reference, "@") {
			digests[reference] = reference + "@" + v.Digest
		}
	}
	changed, err := a.pinFiles(n.manifests, digests)
	if err == nil {
		a.message("Pinned the images of %d files.", changed)
	}
	return err
}
