package thirdparty

import (
	"context"
	"net/http"
	"strconv"

	"golang.org/x/oauth2"
)

// githubHeader asks for the version of GitHub's interface that is read here.
var githubHeader = http.Header{
	"Accept":               {"application/vnd.github+json"},
	"X-Github-Api-Version": {"2022-11-28"},
}

// githubIdentity asks GitHub, which has no ID tokens, whose token it is. A
// login is renamed and can then be anybody's, so the numeric id names the person.
func (p *Provider) githubIdentity(ctx context.Context, token *oauth2.Token) (Identity, error) {
	var user struct {
		ID    *int64 `json:"id"` // a text would be another dialect's
		Login string `json:"login"`
		Name  string `json:"name"`
	}
	status, err := p.get(ctx, p.config.APIURL+"/user", token.AccessToken, githubHeader, &user)
	if err != nil {
		return Identity{}, err
	}
	if status != http.StatusOK {
		return Identity{}, p.failed(ReasonIdentity, "GitHub answered the question for the user with status %d", status)
	}
	if user.ID == nil || *user.ID <= 0 {
		return Identity{}, p.failed(ReasonIdentity, "GitHub sent a user without numeric id")
	}
	email, err := p.githubEmail(ctx, token.AccessToken)
	if err != nil {
		return Identity{}, err
	}
	id := strconv.FormatInt(*user.ID, 10)
	return Identity{
		Subject:        id,
		Email:          email,
		EmailVerified:  email != "",
		Name:           line(user.Name, 255),
		PublicIdentity: display(user.Login, id),
	}, nil
}

// githubEmail is the address that is primary and verified, "" when there is
// none or the person did not let us see it. The address of the profile is no
// substitute: it is chosen freely.
func (p *Provider) githubEmail(ctx context.Context, accessToken string) (string, error) {
	var addresses []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	status, err := p.get(ctx, p.config.APIURL+"/user/emails?per_page=100", accessToken, githubHeader, &addresses)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK { // 403 or 404: without the scope user:email
		return "", nil
	}
	for _, a := range addresses {
		if a.Primary && a.Verified {
			return address(a.Email), nil
		}
	}
	return "", nil
}
