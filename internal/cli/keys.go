package cli

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/sign"
)

func (a *App) keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Make, import and show key pairs", Args: wants(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.keysGenerateCommand(), a.keysImportCommand(), a.keysPublicCommand())
	return cmd
}

type keysOptions struct {
	prefix       string
	passwordFile string
	force        bool
	output       outputFlag
}

func (o *keysOptions) add(cmd *cobra.Command, prefix string) {
	f := cmd.Flags()
	f.StringVar(&o.prefix, "output-key-prefix", prefix, "`name` of the files: NAME.key and NAME.pub")
	f.StringVar(&o.passwordFile, "password-file", "", "`file` that holds the password for the new private key (else HALLMARK_PASSWORD, COSIGN_PASSWORD, or a prompt)")
	f.BoolVar(&o.force, "force", false, "overwrite files that are there; their old content is lost")
	o.output.add(cmd)
}

func (a *App) keysGenerateCommand() *cobra.Command {
	var o keysOptions
	var kind string
	names := make([]string, len(sign.Algorithms()))
	for i, algorithm := range sign.Algorithms() {
		names[i] = string(algorithm)
	}
	cmd := &cobra.Command{
		Use: "generate", Short: "Make a new key pair", Args: wants(cobra.NoArgs),
		Long: `Make a new key pair: NAME.key, encrypted with a password in the form that cosign
reads and writes, and NAME.pub. The password may be empty, and then protects nothing.`,
		Example: "  hallmark keys generate --output-key-prefix release",
		RunE: func(*cobra.Command, []string) error {
			key, err := sign.Generate(sign.Algorithm(kind))
			if err != nil {
				return usage(err)
			}
			return a.writeKeyPair(o, key)
		},
	}
	o.add(cmd, "hallmark")
	cmd.Flags().StringVar(&kind, "type", string(sign.ECDSAP256), "`kind` of key: "+strings.Join(names, ", "))
	return cmd
}

func (a *App) keysImportCommand() *cobra.Command {
	var o keysOptions
	var in, inPassword string
	cmd := &cobra.Command{
		Use: "import", Short: "Turn another tool's private key into a key pair", Args: wants(cobra.NoArgs),
		Long: `Read a private key in PKCS#1, PKCS#8, SEC1 or cosign's form, encrypted or not, and
write it as NAME.key, encrypted with a new password, and NAME.pub.`,
		Example: "  hallmark keys import --key openssl.pem --output-key-prefix release",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in == "" {
				return usagef("--key is missing: name the private key to import")
			}
			data, err := a.readInput(in, 1<<20)
			if err != nil {
				return err
			}
			key, err := sign.ParsePrivateKey(data, func() ([]byte, error) {
				return a.password(inPassword, "Password of "+in+": ")
			})
			if err != nil {
				return fmt.Errorf("private key %s: %w", in, err)
			}
			return a.writeKeyPair(o, key)
		},
	}
	o.add(cmd, "imported")
	cmd.Flags().StringVar(&in, "key", "", "private key to import: a `path`, - for standard input")
	cmd.Flags().StringVar(&inPassword, "key-password-file", "", "`file` that holds the password of the key to import (else as for the new one)")
	return cmd
}

type keysResult struct {
	SchemaVersion string `json:"schemaVersion"`
	PrivateKey    string `json:"privateKey,omitempty"`
	PublicKey     string `json:"publicKey"`
	Algorithm     string `json:"algorithm"`
	Fingerprint   string `json:"fingerprint"`
}

func (a *App) writeKeyPair(o keysOptions, key crypto.Signer) error {
	asJSON, err := o.output.json()
	if err != nil {
		return err
	}
	signer, err := sign.NewKeySigner(o.prefix+".key", key)
	if err != nil {
		return usage(err)
	}
	private, public := o.prefix+".key", o.prefix+".pub"
	if !o.force {
		for _, name := range []string{private, public} {
			if _, err := os.Lstat(name); err == nil {
				return usagef("%s: %w; give another --output-key-prefix, or --force to lose the old key", name, fs.ErrExist)
			}
		}
	}
	password, err := a.newPassword(o.passwordFile)
	if err != nil {
		return err
	}
	if len(password) == 0 {
		a.message("Warning: the password is empty, so only the file's mode protects %s.", private)
	}
	sealed, err := sign.EncryptPrivateKey(key, password)
	if err != nil {
		return err
	}
	if err := writeFile(private, sealed, 0o600, o.force); err != nil {
		return fileError(err)
	}
	if err := writeFile(public, signer.Public().PEM(), 0o644, o.force); err != nil {
		return errors.Join(fileError(err), os.Remove(private))
	}
	r := keysResult{"hallmark.keys/v1", private, public, signer.Public().Algorithm(), signer.Public().Fingerprint()}
	if asJSON {
		return a.printJSON(r)
	}
	_, err = fmt.Fprintf(a.Out, "Private key: %s (keep it secret)\nPublic key:  %s (%s)\n", private, public, r.Algorithm)
	return err
}

// fileError is about a file that the user named and that cannot be written.
func fileError(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return usage(err)
	}
	return err
}

func (a *App) keysPublicCommand() *cobra.Command {
	var k keyFlags
	var file string
	cmd := &cobra.Command{
		Use: "public", Short: "Write the public key of a private key", Args: wants(cobra.NoArgs),
		Example: "  hallmark keys public --key release.key > release.pub",
		RunE: func(cmd *cobra.Command, _ []string) error {
			signer, err := a.signer(cmd.Context(), k)
			if err != nil {
				return err
			}
			if file != "" {
				return fileError(writeFile(file, signer.Public().PEM(), 0o644, true))
			}
			_, err = a.Out.Write(signer.Public().PEM())
			return err
		},
	}
	k.add(cmd)
	cmd.Flags().StringVar(&file, "output-file", "", "write to this `file` instead of standard output")
	return cmd
}
