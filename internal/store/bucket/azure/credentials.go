package azure

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"tfos/internal/store/bucket"
)

// oauth returns the credential of fs.azure.account.oauth.provider.type.
func (s settings) oauth(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	class := s.get("fs.azure.account.oauth.provider.type")
	id := s.get("fs.azure.account.oauth2.client.id")
	switch class[strings.LastIndexByte(class, '.')+1:] {
	case "ClientCredsTokenProvider":
		authority, tenant, err := s.endpoint()
		if err != nil {
			return nil, err
		}
		options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: authority}
		return azidentity.NewClientSecretCredential(tenant, id, s.get("fs.azure.account.oauth2.client.secret"), &azidentity.ClientSecretCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true, // Hadoop asks this endpoint alone
		})
	case "MsiTokenProvider":
		msi := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if id != "" {
			msi.ID = azidentity.ClientID(id)
		}
		return azidentity.NewManagedIdentityCredential(msi)
	case "WorkloadIdentityTokenProvider":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, ClientID: id, TenantID: s.get("fs.azure.account.oauth2.msi.tenant"),
			TokenFilePath: s.get("fs.azure.account.oauth2.token.file"), DisableInstanceDiscovery: true,
		})
	}
	return nil, fmt.Errorf("fs.azure.account.oauth.provider.type: %q: tfos does not have it. Use ClientCredsTokenProvider, MsiTokenProvider or "+
		"WorkloadIdentityTokenProvider, or let Spark read the input (read_by: spark)", class)
}

// endpoint returns the authority and the tenant of
// https://login.microsoftonline.com/TENANT/oauth2/token.
func (s settings) endpoint() (authority, tenant string, err error) {
	at, err := url.Parse(s.get("fs.azure.account.oauth2.client.endpoint"))
	if err == nil {
		tenant, _, _ = strings.Cut(strings.TrimPrefix(at.Path, "/"), "/")
	}
	if err != nil || at.Host == "" || tenant == "" {
		return "", "", errors.New("fs.azure.account.oauth2.client.endpoint: must be https://login.microsoftonline.com/TENANT/oauth2/token")
	}
	return at.Scheme + "://" + at.Host + "/", tenant, nil
}

// ofEnvironment returns the SDK's chain: AZURE_CLIENT_ID and its secret or certificate,
// a workload identity, a managed identity, the Azure CLI.
func ofEnvironment(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
}

// named gives the errors of a credential their kind, and leaves out the answer's text.
type named struct{ azcore.TokenCredential }

// GetToken implements azcore.TokenCredential.
func (n named) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := n.TokenCredential.GetToken(ctx, options)
	if err == nil || ctx.Err() != nil {
		return token, err
	}
	e := &bucket.Error{Kind: bucket.ErrCredentials, Message: remedy}
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) && refused.RawResponse != nil {
		from := bucket.FromStatus(refused.RawResponse.StatusCode, refused.RawResponse.Header, "", "")
		e.Status, e.Again, e.After = from.Status, from.Again, from.After
	}
	return token, e
}
