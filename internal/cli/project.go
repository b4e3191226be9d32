package cli

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var projectDetailColumns = []string{
	"project_name", "default_cloud", "billing_currency", "vat_id", "credit_card", "billing_address", "country_code",
}

func (a *app) project() *cobra.Command {
	return noun("project", "Projects",
		a.projectList(), a.projectDetails(), a.projectCreate(), a.projectUpdate(), a.projectDelete(), a.projectSwitch(),
		a.projectUserList(), a.projectInviteList(), a.projectUserInvite(), a.projectUserRemove(), a.projectCA())
}

// projectName is the project a command is about: the one named, that of the
// environment, or the one switched to.
func (a *app) projectName(api *sallyport.Client, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	if name := a.Getenv("AIVEN_PROJECT"); name != "" {
		return name, nil
	}
	stored, err := a.loadCredentials()
	if err != nil {
		return "", err
	}
	if name := stored.at(api.URL).Project; name != "" {
		return name, nil
	}
	return "", usagef("name the project with --project, or choose one with \"sallyport project switch NAME\"")
}

func projectFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "project", "", "project; default AIVEN_PROJECT, else the one switched to")
}

func (a *app) projectList() *cobra.Command {
	var asJSON, verbose bool
	c := a.verb("list", "Show your projects", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		list, err := api.Projects(ctx)
		if err != nil {
			return err
		}
		columns := []string{"project_name", "default_cloud", "credit_card"}
		if verbose {
			columns = projectDetailColumns
		}
		return table(a, asJSON, list.Projects, "no projects: create one with \"sallyport project create NAME --parent-id ORGANIZATION_ID\"", columns...)
	})
	verboseFlag(c, &verbose)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) projectDetails() *cobra.Command {
	var named string
	var asJSON bool
	c := a.verb("details", "Show a project", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		name, err := a.projectName(api, named)
		if err != nil {
			return err
		}
		project, err := api.Project(ctx, name)
		if err != nil {
			return err
		}
		return row(a, asJSON, project, projectDetailColumns...)
	})
	projectFlag(c, &named)
	jsonFlag(c, &asJSON)
	return c
}

// parentAccount turns the id of an organization into that of its root
// account; ids of accounts never begin with "org".
func parentAccount(ctx context.Context, api *sallyport.Client, id string) (*string, error) {
	if !strings.HasPrefix(id, "org") {
		return &id, nil
	}
	org, err := api.Organization(ctx, id)
	return &org.AccountID, err
}

func emails(addresses []string) []sallyport.Email {
	var list []sallyport.Email
	for _, address := range addresses {
		list = append(list, sallyport.Email{Email: address})
	}
	return list
}

// projectFlags are the flags that "project create" and "project update" share.
type projectFlags struct {
	parent, cloud string
	techEmails    []string
	asJSON        bool
}

func (f *projectFlags) on(c *cobra.Command) {
	c.Flags().StringVar(&f.parent, "parent-id", "", "organization, account or unit it belongs to")
	c.Flags().StringVar(&f.cloud, "cloud", "", "default cloud")
	c.Flags().StringArrayVar(&f.techEmails, "tech-email", nil, "address for technical mail; several times for several")
	jsonFlag(c, &f.asJSON)
}

func (a *app) projectCreate() *cobra.Command {
	var f projectFlags
	var billingGroup, copyFrom string
	var existsOK bool
	var c *cobra.Command
	c = a.verb("create NAME", "Create a project and switch to it", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		parent, err := parentAccount(ctx, api, f.parent)
		if err != nil {
			return err
		}
		project, err := api.CreateProject(ctx, sallyport.CreateProject{
			Project: args[0], AccountID: parent, Cloud: changed(c, "cloud", f.cloud), TechEmails: emails(f.techEmails),
			BillingGroupID: changed(c, "billing-group-id", billingGroup), CopyFromProject: changed(c, "copy-from-project", copyFrom),
		})
		if existsOK && errors.Is(err, sallyport.ErrConflict) {
			a.note("the project exists already")
			project, err = api.Project(ctx, args[0])
		}
		if err != nil {
			return err
		}
		if err := a.switchProject(api, project.ProjectName); err != nil {
			return err
		}
		return row(a, f.asJSON, project, projectDetailColumns...)
	})
	f.on(c)
	c.Flags().StringVar(&billingGroup, "billing-group-id", "", "accepted for compatibility")
	c.Flags().StringVarP(&copyFrom, "copy-from-project", "c", "", "project to copy settings from")
	c.Flags().BoolVar(&existsOK, "no-fail-if-exists", false, "done, too, if a project of that name exists")
	return require(c, "parent-id")
}

func (a *app) projectUpdate() *cobra.Command {
	var f projectFlags
	var named, name string
	var c *cobra.Command
	c = a.verb("update", "Change a project", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		project, err := a.projectName(api, named)
		if err != nil {
			return err
		}
		in := sallyport.UpdateProject{
			ProjectName: changed(c, "name", name), Cloud: changed(c, "cloud", f.cloud), TechEmails: emails(f.techEmails),
		}
		if f.parent != "" {
			if in.AccountID, err = parentAccount(ctx, api, f.parent); err != nil {
				return err
			}
		}
		updated, err := api.UpdateProject(ctx, project, in)
		if err != nil {
			return err
		}
		return row(a, f.asJSON, updated, projectDetailColumns...)
	})
	f.on(c)
	projectFlag(c, &named)
	c.Flags().StringVar(&name, "name", "", "new name")
	return c
}

func (a *app) projectDelete() *cobra.Command {
	return a.verb("delete NAME", "Delete a project", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		if err := api.DeleteProject(ctx, args[0]); err != nil {
			return err
		}
		fmt.Fprintln(a.Stdout, "Deleted")
		return nil
	})
}

func (a *app) projectSwitch() *cobra.Command {
	return a.verb("switch NAME", "Make a project the default of other commands", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			list, err := api.Projects(ctx)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(list.Projects, func(p sallyport.Project) bool { return p.ProjectName == args[0] }) {
				return fmt.Errorf("you have no project %s: see \"sallyport project list\"", args[0])
			}
			return a.switchProject(api, args[0])
		})
}

func (a *app) switchProject(api *sallyport.Client, name string) error {
	return a.changeCredentials(api.URL, func(_ *credentials, s *atServer) { s.Project = name })
}

// projectCA prints a certificate, which is no secret, or puts it into a file.
func (a *app) projectCA() *cobra.Command {
	var file string
	c := a.projectVerb("ca-get", "Show the certificate of a project's authority, or write it to a file", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, project string, _ []string) error {
			answer, err := api.ProjectCA(ctx, project)
			if err != nil {
				return err
			}
			block, _ := pem.Decode([]byte(answer))
			if block == nil || block.Type != "CERTIFICATE" {
				return errors.New("the server answered something else than a certificate")
			}
			certificate := pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
			if file == "" {
				_, err = a.Stdout.Write(certificate)
				return err
			}
			if err := os.WriteFile(file, certificate, 0o644); err != nil {
				return fmt.Errorf("write the certificate: %w", err)
			}
			a.note("wrote %s", file)
			return nil
		})
	c.Flags().StringVar(&file, "target-filepath", "", "file to write; default: standard output")
	return c
}
