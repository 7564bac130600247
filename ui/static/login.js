// The first page without a login: exchanges the key of a link, or loads the page again to get its cookie.
const key = new URLSearchParams(location.hash.slice(1)).get("k");
const reload = document.getElementById("reload");

if (key) {
  history.replaceState(null, "", location.pathname + location.search); // keeps the key out of the history
  const form = document.getElementById("link");
  form.elements.key.value = key;
  form.submit();
} else if (reload) {
  location.replace(reload.href);
} else if (location.hash === "#ended") {
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("ended").hidden = false;
}
