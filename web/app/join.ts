import { api } from "./api.ts";
import { byId } from "./dom.ts";
import { onSubmit, tokenOfLink } from "./form.ts";

onSubmit(byId<HTMLFormElement>("join"), async ({ name, password }) => {
  await api("POST", "/invitations/accept", { token: tokenOfLink() ?? "", name, password });
  location.assign("/sign-in");
});
