package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxCredentialBytes bounds the file; a true one has some hundred bytes for
// each server.
const maxCredentialBytes = 1 << 20

// credentials is the file that "user login" keeps in the user's configuration
// folder, sallyport/credentials.json. It is replaced as a whole, mode 0600 in
// a folder of mode 0700, and never read or written through a symbolic link.
type credentials struct {
	Current string               `json:"current"` // URL of the last login
	Servers map[string]*atServer `json:"servers"` // by URL, without a slash at the end
}

// atServer is what is kept of one server.
type atServer struct {
	Email   string            `json:"email,omitzero"`
	Token   string            `json:"token,omitzero"`
	Project string            `json:"project,omitzero"` // default project
	Devices map[string]string `json:"devices,omitzero"` // by e-mail address: device cookie, see Client.Login
}

// at is the entry of a server, a new one if there is none yet.
func (c *credentials) at(url string) *atServer {
	if c.Servers == nil {
		c.Servers = map[string]*atServer{}
	}
	if c.Servers[url] == nil {
		c.Servers[url] = &atServer{}
	}
	return c.Servers[url]
}

func (a *app) credentialsPath() (string, error) {
	dir, err := a.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find your configuration folder: %w; set SALLYPORT_TOKEN to do without", err)
	}
	return filepath.Join(dir, "sallyport", "credentials.json"), nil
}

// loadCredentials reads the file; a missing one is an empty one.
func (a *app) loadCredentials() (*credentials, error) {
	path, err := a.credentialsPath()
	if err != nil {
		return nil, err
	}
	data, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &credentials{}, nil
	}
	if err != nil {
		return nil, err
	}
	var c credentials
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%s cannot be read: move it away and log in again: %w", path, err)
	}
	return &c, nil
}

// changeCredentials loads the file, changes what is kept of url, and saves it.
func (a *app) changeCredentials(url string, change func(c *credentials, s *atServer)) error {
	path, err := a.credentialsPath()
	if err != nil {
		return err
	}
	c, err := a.loadCredentials()
	if err != nil {
		return err
	}
	change(c, c.at(url))
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode credentials: %w", err)
	}
	return writePrivate(path, append(data, '\n'))
}

// readPrivate reads a regular file and takes it away from other users if they
// could read it.
func readPrivate(path string) ([]byte, error) {
	before, err := statPrivate(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, after) {
		return nil, fmt.Errorf("%s was replaced while it was read: try again", path)
	}
	if after.Mode().Perm() != 0o600 {
		if err := f.Chmod(0o600); err != nil {
			return nil, fmt.Errorf("%s is open to other users: %w", path, err)
		}
	}
	return io.ReadAll(io.LimitReader(f, maxCredentialBytes))
}

func statPrivate(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a symbolic link or no file: it is not used, move it away", path)
	}
	return info, nil
}

// writePrivate replaces path in one step by a file of mode 0600 in a folder of
// mode 0700. A crash leaves the old file or the new one.
func writePrivate(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := privateFolder(dir); err != nil {
		return err
	}
	if _, err := statPrivate(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(dir, ".credentials-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	return nil
}

func privateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder for credentials: %w", err)
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("look at folder for credentials: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is a symbolic link: it is not used, move it away", dir)
	case info.Mode().Perm() != 0o700:
		return os.Chmod(dir, 0o700)
	}
	return nil
}
