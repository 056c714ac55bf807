package plane

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"warroom.test/kubernetes/internal/pki"
)

// admins is the group that may do everything.
const admins = "system:masters"

// writeFiles makes every key, certificate and kubeconfig of a plane. What an earlier start in the
// same folder left is replaced, but for the key of service accounts: their tokens outlive a start.
func writeFiles(data string, ports ports) error {
	folder := filepath.Join(data, "pki")
	authority, err := pki.NewAuthority("plane-ca")
	if err != nil {
		return err
	}
	front, err := pki.NewAuthority("plane-front-ca")
	if err != nil {
		return err
	}
	own, err := authority.Pair()
	if err != nil {
		return err
	}
	if err := own.Write(filepath.Join(folder, "ca")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "front-ca.crt"), front.Certificate, 0o600); err != nil {
		return err
	}
	leaves := []struct {
		file string
		by   *pki.Authority
		leaf pki.Leaf
	}{
		{"apiserver", authority, pki.Leaf{Name: apiServer, Hosts: []string{
			"127.0.0.1", "10.96.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}}},
		{"simnode", authority, pki.Leaf{Name: simulatedNodes, Hosts: []string{
			"127.0.0.1", "localhost", "metrics-server.kube-system.svc"}}},
		{"kubelet-client", authority, pki.Leaf{Name: "kube-apiserver-kubelet-client", Groups: []string{admins}}},
		{"front", front, pki.Leaf{Name: "front-proxy-client"}},
	}
	for _, one := range leaves {
		pair, err := one.by.Issue(one.leaf)
		if err != nil {
			return err
		}
		if err := pair.Write(filepath.Join(folder, one.file)); err != nil {
			return err
		}
	}
	if err := writeSigningKey(folder); err != nil {
		return err
	}
	users := map[string]pki.Leaf{
		"admin":           {Name: "admin", Groups: []string{admins}},
		controllerManager: {Name: "system:kube-controller-manager"},
		scheduler:         {Name: "system:kube-scheduler"},
		simulatedNodes:    {Name: simulatedNodes, Groups: []string{admins}},
	}
	for file, leaf := range users {
		pair, err := authority.Issue(leaf)
		if err != nil {
			return err
		}
		if err := writeKubeconfig(filepath.Join(data, file+".kubeconfig"), ports, authority, leaf.Name, pair); err != nil {
			return err
		}
	}
	return nil
}

func writeSigningKey(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, "sa.key")); err == nil {
		return nil
	}
	private, public, err := pki.SigningKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "sa.pub"), public, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "sa.key"), private, 0o600)
}

func writeKubeconfig(path string, ports ports, authority *pki.Authority, user string, pair pki.Pair) error {
	const name = "plane"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   fmt.Sprintf("https://127.0.0.1:%d", ports.apiServer),
		CertificateAuthorityData: authority.Certificate,
	}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Certificate, ClientKeyData: pair.Key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}
