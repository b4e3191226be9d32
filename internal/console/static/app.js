// The script of all pages. Everything but passkeys works without it; it never
// writes markup, only text and attributes.
"use strict";

(() => {
	const all = (selector, use, root = document) => root.querySelectorAll(selector).forEach(use);
	const byId = (id) => document.getElementById(id);

	// What a page has to post to an identity provider goes there by itself.

	all("form[data-onward]", (form) => form.submit());

	// A change that undoes itself counts down to its deadline.

	all("[data-deadline]", (box) => {
		const end = Date.parse(box.dataset.deadline);
		const two = (n) => String(n).padStart(2, "0");
		const tick = () => {
			const left = Math.max(0, Math.round((end - Date.now()) / 1000));
			if (left < 48 * 3600) { // days are told better in words
				box.textContent = (left < 3600 ? "" : Math.floor(left / 3600) + ":") + two(Math.floor(left / 60) % 60) + ":" + two(left % 60);
			}
			if (left > 0) {
				setTimeout(tick, 1000);
			}
		};
		tick();
	});

	// Passwords: show what is typed, and how strong it is by the server's rules.

	all("[data-reveal]", (button) => {
		const field = byId(button.dataset.reveal);
		button.hidden = false;
		const set = (shown) => {
			field.type = shown ? "text" : "password";
			button.textContent = shown ? button.dataset.hide : button.dataset.show;
			button.setAttribute("aria-pressed", String(shown));
		};
		button.addEventListener("click", () => set(field.type === "password"));
		// Browsers keep passwords out of what they remember of text fields.
		field.form.addEventListener("submit", () => set(false));
	});

	all("[data-meter]", (field) => {
		const box = byId(field.dataset.meter);
		const meter = box.querySelector("meter");
		const words = box.querySelector("p");
		// What the server says, in the language of the page: by the message, with
		// its numbers left out.
		const told = JSON.parse(box.dataset.told || "{}");
		const tell = (message) => {
			const numbers = message.match(/\d+/g) || [];
			const own = told[message.replace(/\d+/g, "%d")];
			return own ? own.replace(/%\[(\d)\]s/g, (_, place) => numbers[place - 1]) : message;
		};
		let timer, asked = 0;
		const judge = async () => {
			const turn = ++asked;
			if (!field.value) {
				box.hidden = true;
				return;
			}
			const form = field.form.elements;
			const about = {
				password: field.value,
				email: field.dataset.email || (form.email ? form.email.value : ""),
				real_name: form.real_name ? form.real_name.value : "",
			};
			const answer = await fetch("/v1/user/password_strength", {
				method: "POST",
				credentials: "omit",
				headers: { "Content-Type": "application/json" },
				body: JSON.stringify(about),
			}).catch(() => null);
			if (turn !== asked || !answer || !answer.ok) {
				return;
			}
			const strength = (await answer.json()).password_strength;
			box.hidden = false;
			meter.value = strength.is_acceptable ? Math.max(strength.score, 1) : Math.min(strength.score, 1);
			words.textContent = tell(strength.message);
		};
		field.addEventListener("input", () => {
			clearTimeout(timer);
			timer = setTimeout(judge, 300);
		});
	});

	// Values to keep: copy, download, print.

	const textOf = (element) =>
		element.tagName === "OL" ? [...element.children].map((line) => line.textContent.trim()).join("\n") + "\n" : element.textContent;

	all("[data-copy]", (button) => {
		if (!navigator.clipboard) {
			return;
		}
		button.hidden = false;
		button.setAttribute("aria-live", "polite");
		const words = button.textContent;
		button.addEventListener("click", async () => {
			try {
				await navigator.clipboard.writeText(textOf(byId(button.dataset.copy)));
			} catch {
				return;
			}
			button.textContent = button.dataset.copied;
			setTimeout(() => { button.textContent = words; }, 2000);
		});
	});

	all("[data-download]", (button) => {
		button.hidden = false;
		button.addEventListener("click", () => {
			const address = URL.createObjectURL(new Blob([textOf(byId(button.dataset.download))], { type: "text/plain" }));
			const link = document.createElement("a");
			link.href = address;
			link.download = button.dataset.file;
			link.click();
			setTimeout(() => URL.revokeObjectURL(address), 1000);
		});
	});

	all("[data-print]", (button) => {
		button.hidden = false;
		button.addEventListener("click", () => print());
	});

	// Codes of mailed links are in the form: the address bar, and with it the
	// history, does not keep them.

	if (document.querySelector("[data-forget-address]")) {
		history.replaceState(null, "", location.pathname);
	}

	// Narrow screens show the navigation in one line: the present page is in sight.

	all(".rooms [aria-current], .tabs [aria-current]", (link) => {
		const line = link.closest("nav");
		line.scrollLeft = link.offsetLeft - (line.clientWidth - link.offsetWidth) / 2;
	});

	// Menus close when the focus or a click goes elsewhere, and on Escape.

	all("details[data-closes]", (menu) => {
		const elsewhere = (event) => {
			if (!menu.contains(event.target)) {
				menu.open = false;
			}
		};
		document.addEventListener("click", elsewhere);
		document.addEventListener("focusin", elsewhere);
		menu.addEventListener("keydown", (event) => {
			if (event.key === "Escape" && menu.open) {
				menu.open = false;
				menu.querySelector("summary").focus();
			}
		});
	});

	// What goes on in another tab is shown once this one is looked at again.

	all("form[data-returns]", (form) => form.addEventListener("submit", () => {
		document.addEventListener("visibilitychange", () => {
			if (document.visibilityState === "visible") {
				location.reload();
			}
		});
	}));

	// The audit log is followed: what came since is asked for every few seconds
	// while somebody looks, and put on top. The server makes the entries, as it
	// does those of the page. Asking counts as using the session, so it ends by
	// itself when nothing was touched for long.

	all("[data-follow]", (log) => {
		const button = byId("follow");
		const state = byId("follow-state");
		const patience = 30 * 60 * 1000;
		let timer, touched;
		const tell = (words) => {
			state.hidden = false;
			state.textContent = words;
		};
		const stop = () => {
			clearInterval(timer);
			timer = undefined;
			button.setAttribute("aria-pressed", "false");
		};
		const add = (came) => {
			const entries = came.querySelectorAll(".events > li");
			if (entries.length === 0) {
				return;
			}
			const list = log.querySelector(".events") || log.appendChild(document.importNode(came.querySelector(".events"), false));
			[...entries].reverse().forEach((entry) => {
				entry.className = "came";
				list.prepend(document.importNode(entry, true));
			});
			list.dataset.newest = came.querySelector(".events").dataset.newest;
			if (byId("log-empty")) {
				byId("log-empty").remove();
			}
			tell(button.dataset.came + " " + entries.length);
		};
		const ask = () => {
			if (document.hidden) {
				return;
			}
			if (Date.now() - touched > patience) {
				stop();
				tell(button.dataset.stopped);
				return;
			}
			const address = new URL(log.dataset.follow, location.href);
			const list = log.querySelector(".events");
			address.searchParams.set("after", list ? list.dataset.newest : "0");
			address.searchParams.set("part", "events");
			// Not fetch: this reads a document without making markup of text.
			const request = new XMLHttpRequest();
			request.open("GET", address);
			request.responseType = "document";
			request.onload = () => {
				if (!timer) {
					return;
				}
				if (request.status === 200 && request.response && request.responseURL === address.href) {
					add(request.response);
				} else {
					stop();
					tell(button.dataset.stopped);
				}
			};
			request.send();
		};
		for (const event of ["pointerdown", "keydown"]) {
			document.addEventListener(event, () => { touched = Date.now(); });
		}
		button.hidden = false;
		button.addEventListener("click", () => {
			if (timer) {
				stop();
				state.hidden = true;
				return;
			}
			touched = Date.now();
			button.setAttribute("aria-pressed", "true");
			timer = setInterval(ask, Number(log.dataset.every) * 1000);
			ask();
		});
		document.addEventListener("visibilitychange", () => { if (timer) { ask(); } });
	});

	// Ask before what cannot be taken back; without scripts a page of its own asks.

	const dialog = byId("danger");
	if (dialog && dialog.showModal) {
		all("[data-danger]", (link) => link.addEventListener("click", (event) => {
			event.preventDefault();
			byId("danger-title").textContent = link.dataset.title;
			byId("danger-words").textContent = link.dataset.words;
			byId("danger-yes").textContent = link.dataset.yes;
			const values = byId("danger-values");
			values.replaceChildren();
			for (const [name, value] of Object.entries(link.dataset)) {
				if (name.startsWith("value")) {
					const field = document.createElement("input");
					field.type = "hidden";
					field.name = name.slice("value".length).toLowerCase();
					field.value = value;
					values.append(field);
				}
			}
			dialog.querySelector("form").action = link.dataset.danger;
			dialog.showModal();
			// Not a button: the key that opened the dialog must not press it.
			byId("danger-title").focus();
		}));
		byId("danger-no").addEventListener("click", () => dialog.close());
		dialog.addEventListener("click", (event) => {
			if (event.target === dialog) {
				dialog.close();
			}
		});
	}

	// Passkeys (WebAuthn level 3). The options come with the form or from the
	// server; the answer goes into the form, which is then sent like any other.

	const passkeys = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON && PublicKeyCredential.parseCreationOptionsFromJSON;
	if (!passkeys) {
		return;
	}
	all("[data-needs-passkeys]", (form) => { form.hidden = false; });
	all("[data-no-passkeys]", (words) => { words.hidden = true; });

	let waiting; // the request that fills in from the address field

	const send = (form, credential) => {
		form.elements.passkey.value = JSON.stringify(credential);
		form.submit(); // without another submit event
	};

	const ask = async (from, next) => {
		const answer = await fetch(from, { method: "POST", body: new URLSearchParams({ next: next || "" }) });
		return answer.status === 200 ? answer.json() : null;
	};

	const failed = (form) => {
		const words = form.querySelector("[data-wrong]");
		words.textContent = words.dataset.wrong;
		words.hidden = false;
	};

	all("[data-passkey-get]", (form) => {
		form.hidden = false;
		form.addEventListener("submit", async (event) => {
			event.preventDefault();
			form.querySelector("[data-wrong]").hidden = true;
			if (waiting) {
				waiting.abort();
			}
			try {
				const options = form.dataset.passkeyGet ? JSON.parse(form.dataset.passkeyGet) : await ask(form.dataset.passkeyFrom, form.elements.next.value);
				const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
				send(form, await navigator.credentials.get({ publicKey }));
			} catch {
				failed(form);
			}
		});
	});

	all("[data-passkey-create]", (form) => form.addEventListener("submit", async (event) => {
		event.preventDefault();
		form.querySelector("[data-wrong]").hidden = true;
		try {
			const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(form.dataset.passkeyCreate));
			send(form, await navigator.credentials.create({ publicKey }));
		} catch {
			failed(form);
		}
	}));

	all("[data-passkey-autofill]", async (form) => {
		if (!PublicKeyCredential.isConditionalMediationAvailable || !(await PublicKeyCredential.isConditionalMediationAvailable())) {
			return;
		}
		try {
			const options = await ask(form.dataset.passkeyAutofill, form.elements.next.value);
			if (!options) {
				return;
			}
			waiting = new AbortController();
			const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
			send(form, await navigator.credentials.get({ publicKey, mediation: "conditional", signal: waiting.signal }));
		} catch {
			// Nobody chose a passkey: the address is asked as before.
		}
	});
})();
