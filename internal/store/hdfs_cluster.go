package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"github.com/colinmarc/hdfs/v2/hadoopconf"

	"tfos/internal/store/datanode"
)

// hdfsCluster is a connection to the name nodes of one file system. A lock, or a file that
// is being written, belongs to the client that opened it: that client stays.
type hdfsCluster struct {
	root      string // hdfs://authority, for errors
	settings  Settings
	nameNodes []string // host:port
	umask     fs.FileMode
	retry     retryPolicy
	env       func(string) string // os.Getenv
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	// nameNodeFailures counts broken connections to name nodes.
	nameNodeFailures atomic.Int64
	dataNodes        datanode.Dialer
	warned           sync.Once   // that blocks of this host are not read from its disks
	encrypted        atomic.Bool // connections to data nodes

	mu      sync.Mutex
	current *hdfs.Client // nil: not connected yet
	made    time.Time    // when current was made
	sealed  bool         // current encrypts what it sends to data nodes
}

// newHDFSCluster reads the settings. It opens no connection.
func newHDFSCluster(root string, s Settings) (*hdfsCluster, error) {
	authority := strings.TrimPrefix(root, "hdfs://")
	if authority == "" {
		scheme, rest, _ := strings.Cut(s["fs.defaultFS"], "://")
		if authority, _, _ = strings.Cut(rest, "/"); !strings.EqualFold(scheme, "hdfs") || authority == "" {
			return nil, fmt.Errorf("the URL names no host, and fs.defaultFS is %q: write hdfs://HOST:PORT/…, or set fs.defaultFS in core-site.xml or spark.hadoop.fs.defaultFS",
				s["fs.defaultFS"])
		}
	}
	nodes, err := nameNodes(authority, s)
	if err != nil {
		return nil, err
	}
	umask, err := parseUmask(s["fs.permissions.umask-mode"])
	if err != nil {
		return nil, err
	}
	h := &hdfsCluster{root: "hdfs://" + authority, settings: s, nameNodes: nodes, umask: umask, retry: remote, env: os.Getenv, dial: (&net.Dialer{Timeout: dialTime}).DialContext}
	h.dataNodes.Dial, h.dataNodes.Limit, h.dataNodes.Idle = h.dialDataNode, descriptorTime, openTime
	h.readLocally(s)
	return h, nil
}

// hdfsPort is the port of name nodes, unless the address has another (DFS_NAMENODE_RPC_PORT_DEFAULT).
const hdfsPort = "8020"

// nameNodes returns the addresses of a name service's name nodes, in the order of
// dfs.ha.namenodes, or that of a single host.
func nameNodes(authority string, s Settings) ([]string, error) {
	var addresses []string
	ids := trimmedList(s["dfs.ha.namenodes."+authority])
	switch known := slices.Contains(trimmedList(s["dfs.nameservices"]), authority); {
	case len(ids) > 0:
		for _, id := range ids {
			key := "dfs.namenode.rpc-address." + authority + "." + id
			if s[key] == "" {
				return nil, fmt.Errorf("the name service %s has a name node %s, but %s is not set", authority, id, key)
			}
			addresses = append(addresses, s[key])
		}
	case known && s["dfs.namenode.rpc-address."+authority] != "":
		addresses = []string{s["dfs.namenode.rpc-address."+authority]}
	case known:
		return nil, fmt.Errorf("dfs.nameservices has %s, but neither dfs.ha.namenodes.%s nor dfs.namenode.rpc-address.%s is set", authority, authority, authority)
	default:
		addresses = []string{authority}
	}
	for i, address := range addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			addresses[i] = net.JoinHostPort(strings.Trim(address, "[]"), hdfsPort)
		}
	}
	return addresses, nil
}

func trimmedList(text string) (list []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// parseUmask reads fs.permissions.umask-mode. Its default is 022.
func parseUmask(text string) (fs.FileMode, error) {
	if text == "" {
		return 0o022, nil
	}
	mask, err := strconv.ParseUint(text, 8, 9)
	if err != nil {
		return 0, fmt.Errorf("fs.permissions.umask-mode is %q: write it as an octal number, such as 022", text)
	}
	return fs.FileMode(mask), nil
}

// keyLife is the age at which a client that encrypts its transfers is left behind. Its
// data encryption key expires after 20 hours by default, and it never asks for another.
const keyLife = 6 * time.Hour

// client returns the client for a new operation, connected.
func (h *hdfsCluster) client() (*hdfs.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current != nil && (!h.sealed || time.Since(h.made) < keyLife) {
		return h.current, nil
	}
	options, err := h.options()
	if err != nil {
		return nil, err
	}
	if err := knownHosts(h.nameNodes); err != nil {
		return nil, err
	}
	c, err := hdfs.NewClient(options)
	if err != nil {
		return nil, err
	}
	// The client keeps this answer. Asked for later, it would be asked for by several
	// goroutines at a time.
	defaults, err := c.ServerDefaults()
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	protection := options.DataTransferProtection
	if defaults.EncryptDataTransfer {
		protection = hdfs.DataTransferProtectionPrivacy
	}
	if err := protectable(protection, h.settings); err != nil {
		_ = c.Close()
		return nil, err
	}
	h.encrypted.Store(protection == hdfs.DataTransferProtectionPrivacy)
	h.current, h.made, h.sealed = c, time.Now(), protection != ""
	return c, nil
}

const (
	suitesProperty = "dfs.encrypt.data.transfer.cipher.suites"
	aesSuite       = "AES/CTR/NoPadding"
)

// protectable returns an error for kinds of data transfer protection that the client does
// not do well. Except with AES, it loses bytes where one of a data node's messages ends in
// the middle of a read (colinmarc/hdfs 2.4.0, digestMD5PrivacyConn.Read).
func protectable(protection string, s Settings) error {
	switch protection {
	case "", hdfs.DataTransferProtectionAuthentication:
		return nil
	case hdfs.DataTransferProtectionPrivacy:
		if slices.Contains(trimmedList(s[suitesProperty]), aesSuite) {
			return nil
		}
		return fmt.Errorf("data transfer protection %s without AES: %w. Set %s to %s on clients and servers, or read with Spark (read_by: spark)",
			protection, ErrUnsupported, suitesProperty, aesSuite)
	}
	return fmt.Errorf("data transfer protection %s: %w. Read with Spark (read_by: spark), or use privacy with AES", protection, ErrUnsupported)
}

// knownHosts returns an error, which does not pass, if no name node's host has an address.
func knownHosts(nodes []string) error {
	var unknown error
	for _, node := range nodes {
		host, _, _ := net.SplitHostPort(node)
		_, err := net.LookupHost(host)
		var lookup *net.DNSError
		if !errors.As(err, &lookup) || !lookup.IsNotFound {
			return nil
		}
		unknown = err
	}
	return &hdfsError{err: unknown, reason: errUnknownHost}
}

var errUnknownHost = errors.New("no name node's host is known")

func (h *hdfsCluster) options() (hdfs.ClientOptions, error) {
	options := hdfs.ClientOptionsFromConf(hadoopconf.HadoopConf(h.settings))
	options.Addresses = h.nameNodes
	options.NamenodeDialFunc = h.dialNameNode
	options.DatanodeDialFunc = h.dataNodes.DialContext
	if options.KerberosClient != nil {
		client, err := h.kerberosClient(options.KerberosServicePrincipleName)
		options.KerberosClient = client
		return options, err
	}
	name, err := hadoopUser(h.env)
	options.User = name
	return options, err
}

// hadoopUser returns the user of a cluster without Kerberos.
func hadoopUser(env func(string) string) (string, error) {
	if name := env("HADOOP_USER_NAME"); name != "" {
		return name, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find the user's name: %w: set HADOOP_USER_NAME", err)
	}
	return u.Username, nil
}

// do calls try, again after errors that pass.
func (h *hdfsCluster) do(ctx context.Context, operation, path string, try func(*hdfs.Client) error) error {
	return h.doFor(ctx, h.retry, operation, path, try)
}

// doFor is do with another policy.
func (h *hdfsCluster) doFor(ctx context.Context, p retryPolicy, operation, path string, try func(*hdfs.Client) error) error {
	return p.do(ctx, call{operation, path}, 0, func(context.Context) error {
		c, err := h.client()
		if err == nil {
			err = try(c)
		}
		return fromHDFS(err)
	})
}

// replication and blockSize return the settings of new files: the client's, else the
// name node's.
func (h *hdfsCluster) fileDefaults(c *hdfs.Client) (replication int, blockSize int64, err error) {
	defaults, err := c.ServerDefaults()
	if err != nil {
		return 0, 0, err
	}
	replication, blockSize = defaults.Replication, defaults.BlockSize
	if text := h.settings["dfs.replication"]; text != "" {
		if replication, err = strconv.Atoi(text); err != nil || replication < 1 {
			return 0, 0, settingError{"dfs.replication", text, "write a number ≥ 1"}
		}
	}
	if text := h.settings["dfs.blocksize"]; text != "" {
		if blockSize, err = parseSize(text); err != nil {
			return 0, 0, settingError{"dfs.blocksize", text, "write bytes, such as 134217728 or 128m"}
		}
	}
	return replication, blockSize, nil
}

// parseSize reads a number of bytes with Hadoop's units k, m, g, t.
func parseSize(text string) (int64, error) {
	text = strings.ToLower(text)
	shift := 0
	if at := strings.IndexAny(text, "kmgt"); at > 0 && at == len(text)-1 {
		shift = 10 * (1 + strings.IndexByte("kmgt", text[at]))
		text = text[:at]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (n < 1 || n > 1<<40>>shift) {
		err = strconv.ErrRange
	}
	return n << shift, err
}

// settingError is the error of a property with a wrong value. It does not pass.
type settingError struct{ name, value, rule string }

func (e settingError) Error() string { return fmt.Sprintf("%s is %q: %s", e.name, e.value, e.rule) }

// Retry implements retryable.
func (settingError) Retry() (again bool, after time.Duration) { return false, 0 }
