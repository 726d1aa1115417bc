//! The loop: one message after another; what is wrong is published when nothing more waits, so that fast typing is judged once.

use std::collections::BTreeMap;

use anyhow::Context;
use lsp_server::{Connection, ErrorCode, ExtractError, Message, Notification, Request, Response};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions, HoverProviderCapability,
    InitializeParams, OneOf, PublishDiagnosticsParams, RenameOptions, SaveOptions, ServerCapabilities,
    TextDocumentPositionParams, TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions,
    TextDocumentSyncSaveOptions, Uri, WorkDoneProgressOptions,
    notification::{self, Notification as _},
    request::{self, Request as _},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{answers, documents::Documents, places};

/// Serves one editor until it says goodbye.
///
/// # Errors
/// The editor broke the protocol, or went away without a word.
pub fn serve() -> anyhow::Result<()> {
    let (connection, threads) = Connection::stdio();
    let (id, parameters) = connection.initialize_start()?;
    let _: InitializeParams = serde_json::from_value(parameters).context("the editor's `initialize` cannot be read")?;
    let version = env!("CARGO_PKG_VERSION");
    connection.initialize_finish(
        id,
        json!({ "capabilities": capabilities(), "serverInfo": { "name": "archgen", "version": version } }),
    )?;
    let mut server = Server {
        connection: &connection,
        documents: Documents::default(),
        stale: BTreeMap::new(),
        shown: BTreeMap::new(),
    };
    let goodbye = server.run()?;
    drop(connection);
    threads.join().context("the editor's pipes are broken")?;
    anyhow::ensure!(goodbye, "the editor went away without `shutdown`");
    Ok(())
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions { include_text: Some(false) })),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![
                " ".to_owned(),
                "[".to_owned(),
                ".".to_owned(),
                "{".to_owned(),
                ":".to_owned(),
            ]),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::SOURCE_FIX_ALL]),
            ..CodeActionOptions::default()
        })),
        document_symbol_provider: Some(OneOf::Left(true)),
        inlay_hint_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

struct Server<'a> {
    connection: &'a Connection,
    documents: Documents,
    /// Documents that changed since they were judged, with their versions.
    stale: BTreeMap<String, i32>,
    /// Files for which something was published.
    shown: BTreeMap<String, bool>,
}

impl Server<'_> {
    /// True where the editor said goodbye as it should.
    fn run(&mut self) -> anyhow::Result<bool> {
        loop {
            let message = match self.connection.receiver.try_recv() {
                Ok(message) => message,
                Err(_) => {
                    self.publish()?;
                    let Ok(message) = self.connection.receiver.recv() else { return Ok(false) };
                    message
                }
            };
            match message {
                Message::Request(request) => {
                    if self.connection.handle_shutdown(&request)? {
                        return Ok(true);
                    }
                    // An answer is about what the editor has shown so far.
                    let response = self.answer(request);
                    self.send(Message::Response(response))?;
                }
                Message::Notification(notification) if notification.method == notification::Exit::METHOD => {
                    return Ok(false);
                }
                Message::Notification(notification) => self.note(notification),
                Message::Response(_) => {}
            }
        }
    }

    fn send(&self, message: Message) -> anyhow::Result<()> {
        self.connection.sender.send(message).context("the editor does not listen any more")
    }

    fn note(&mut self, note: Notification) {
        match note.method.as_str() {
            notification::DidOpenTextDocument::METHOD => {
                let Some(p) = read::<lsp_types::DidOpenTextDocumentParams>(note.params) else { return };
                let Some(path) = places::path_of(&p.text_document.uri) else { return };
                self.documents.set(&path, p.text_document.text);
                self.stale.insert(path, p.text_document.version);
            }
            notification::DidChangeTextDocument::METHOD => {
                let Some(p) = read::<lsp_types::DidChangeTextDocumentParams>(note.params) else { return };
                let Some(path) = places::path_of(&p.text_document.uri) else { return };
                self.documents.change(&path, p.content_changes);
                self.stale.insert(path, p.text_document.version);
            }
            notification::DidCloseTextDocument::METHOD => {
                let Some(p) = read::<lsp_types::DidCloseTextDocumentParams>(note.params) else { return };
                if let Some(path) = places::path_of(&p.text_document.uri) {
                    self.documents.close(&path);
                    self.stale.remove(&path);
                }
            }
            notification::DidSaveTextDocument::METHOD => {
                let Some(p) = read::<lsp_types::DidSaveTextDocumentParams>(note.params) else { return };
                if let Some(path) = places::path_of(&p.text_document.uri) {
                    self.documents.forget(&path);
                    self.stale.entry(path).or_insert(0);
                }
            }
            notification::DidChangeWatchedFiles::METHOD => {
                let Some(p) = read::<lsp_types::DidChangeWatchedFilesParams>(note.params) else { return };
                for path in p.changes.iter().filter_map(|c| places::path_of(&c.uri)) {
                    self.documents.forget(&path);
                    self.stale.entry(path).or_insert(0);
                }
            }
            _ => {}
        }
    }

    /// Publishes what is wrong in every spec of which a document changed.
    fn publish(&mut self) -> anyhow::Result<()> {
        let stale = std::mem::take(&mut self.stale);
        for (path, version) in stale {
            let Some(project) = self.documents.project(&path) else { continue };
            for (file, diagnostics) in answers::diagnostics(project) {
                // A file that never had a problem needs no word.
                if diagnostics.is_empty() && file != path && !self.shown.get(&file).copied().unwrap_or(false) {
                    continue;
                }
                self.shown.insert(file.clone(), !diagnostics.is_empty());
                let Some(uri) = places::uri_of(&file) else { continue };
                let version = (file == path && version > 0).then_some(version);
                let parameters = PublishDiagnosticsParams::new(uri, diagnostics, version);
                let note = Notification::new(notification::PublishDiagnostics::METHOD.to_owned(), parameters);
                self.send(Message::Notification(note))?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, request: Request) -> Response {
        let id = request.id.clone();
        match self.result(request) {
            Ok(value) => Response::new_ok(id, value),
            Err((code, message)) => Response::new_err(id, code as i32, message),
        }
    }

    fn result(&mut self, request: Request) -> Result<Value, (ErrorCode, String)> {
        match request.method.as_str() {
            request::Completion::METHOD => {
                let p = take::<request::Completion>(request)?;
                self.at(&p.text_document_position, |project, path, at| json!(answers::completions(project, path, at)))
            }
            request::HoverRequest::METHOD => {
                let p = take::<request::HoverRequest>(request)?;
                if let Some(path) = places::path_of(&p.text_document_position_params.text_document.uri) {
                    self.documents.project_with_origins(&path);
                }
                self.at(&p.text_document_position_params, |project, path, at| json!(answers::hover(project, path, at)))
            }
            request::GotoDefinition::METHOD => {
                let p = take::<request::GotoDefinition>(request)?;
                self.at(&p.text_document_position_params, |project, path, at| {
                    json!(answers::definition(project, path, at))
                })
            }
            request::References::METHOD => {
                let p = take::<request::References>(request)?;
                let with = p.context.include_declaration;
                self.at(&p.text_document_position, |project, path, at| {
                    json!(answers::references(project, path, at, with))
                })
            }
            request::PrepareRenameRequest::METHOD => {
                let p = take::<request::PrepareRenameRequest>(request)?;
                self.at(&p, |project, path, at| json!(answers::prepare_rename(project, path, at)))
            }
            request::Rename::METHOD => {
                let p = take::<request::Rename>(request)?;
                let at = p.text_document_position.position;
                let (project, path) = self.project(&p.text_document_position.text_document.uri)?;
                let edit = answers::rename(project, &path, at, &p.new_name);
                edit.map(|edit| json!(edit)).map_err(|why| (ErrorCode::RequestFailed, why.to_string()))
            }
            request::CodeActionRequest::METHOD => {
                let p = take::<request::CodeActionRequest>(request)?;
                self.of(&p.text_document.uri, |project, path| json!(answers::code_actions(project, path, p.range)))
            }
            request::DocumentSymbolRequest::METHOD => {
                let p = take::<request::DocumentSymbolRequest>(request)?;
                self.of(&p.text_document.uri, answers::symbols)
            }
            request::InlayHintRequest::METHOD => {
                let p = take::<request::InlayHintRequest>(request)?;
                self.of(&p.text_document.uri, |project, path| json!(answers::hints(project, path, p.range)))
            }
            request::Formatting::METHOD => {
                let p = take::<request::Formatting>(request)?;
                let path = places::path_of(&p.text_document.uri);
                let text = path.and_then(|path| self.documents.text(&path).ok());
                Ok(json!(text.and_then(|text| answers::formatting(&text))))
            }
            other => Err((ErrorCode::MethodNotFound, format!("`{other}` is not served"))),
        }
    }

    /// The project of a document. Without one there is nothing to say, which is no fault.
    fn project(&mut self, uri: &Uri) -> Result<(&archgen_spec::editor::Project, String), (ErrorCode, String)> {
        let path =
            places::path_of(uri).ok_or_else(|| (ErrorCode::RequestFailed, "only files are served".to_owned()))?;
        let project = self.documents.project(&path);
        let missing = || (ErrorCode::RequestFailed, "the document belongs to no topology spec".to_owned());
        Ok((project.ok_or_else(missing)?, path))
    }

    fn of(
        &mut self,
        uri: &Uri,
        answer: impl FnOnce(&archgen_spec::editor::Project, &str) -> Value,
    ) -> Result<Value, (ErrorCode, String)> {
        Ok(self.project(uri).map(|(project, path)| answer(project, &path)).unwrap_or(Value::Null))
    }

    fn at(
        &mut self,
        place: &TextDocumentPositionParams,
        answer: impl FnOnce(&archgen_spec::editor::Project, &str, lsp_types::Position) -> Value,
    ) -> Result<Value, (ErrorCode, String)> {
        self.of(&place.text_document.uri, |project, path| answer(project, path, place.position))
    }
}

fn read<P: DeserializeOwned>(parameters: Value) -> Option<P> {
    serde_json::from_value(parameters).ok()
}

fn take<R: request::Request>(request: Request) -> Result<R::Params, (ErrorCode, String)>
where
    R::Params: DeserializeOwned,
{
    match request.extract::<R::Params>(R::METHOD) {
        Ok((_, parameters)) => Ok(parameters),
        Err(ExtractError::JsonError { error, .. }) => Err((ErrorCode::InvalidParams, error.to_string())),
        Err(ExtractError::MethodMismatch(request)) => Err((ErrorCode::MethodNotFound, request.method)),
    }
}
