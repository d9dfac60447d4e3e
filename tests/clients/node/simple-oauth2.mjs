// Take two tokens by npm's simple-oauth2, revoke the first (REVOKE), and call with both.
import { ClientCredentials } from "simple-oauth2";
import { report } from "./report.mjs";

const { TOKEN_HOST, APP_ID, APP_SECRET, METHOD, REVOKE } = process.env;
const client = new ClientCredentials({
  client: { id: APP_ID, secret: APP_SECRET },
  auth: { tokenHost: TOKEN_HOST, tokenPath: "/oauth2/token", revokePath: "/oauth2/revoke" },
  options: { authorizationMethod: METHOD },
});

const codeOf = async ({ token }) => {
  const headers = { Authorization: `${token.token_type} ${token.access_token}` };
  const answer = await fetch(`${TOKEN_HOST}/platform/api2/chat/feedback?limit=1`, { headers });
  return (await answer.json()).code;
};

await report(async () => {
  const held = [await client.getToken({}), await client.getToken({})];
  if (REVOKE) await held[0].revoke("access_token");
  const [first] = held;
  return {
    tokens: held.map(({ token }) => token.access_token),
    codes: await Promise.all(held.map(codeOf)),
    expired: first.expired(),
    expires_in: first.token.expires_in,
  };
});
